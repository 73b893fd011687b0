"""Runs scripts as their users do, in this process or in one of their own."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import mmseg
import pytest
from mmengine.visualization import Visualizer

MMSEG_TOOLS = Path(mmseg.__file__).parent / '.mim' / 'tools'


def run_here(
    monkeypatch: pytest.MonkeyPatch, script: Path, *arguments, cwd: Path
) -> None:
    """Run a script in this process, which saves the imports.

    Raises:
        SystemExit: If it ends with an exit code.
    """
    # Each class keeps its own, by name; a new process has none.
    for kind in (Visualizer, *Visualizer.__subclasses__()):
        kind._instance_dict.clear()
    monkeypatch.setattr(sys, 'argv', [script.name, *map(str, arguments)])
    monkeypatch.chdir(cwd)
    # Python puts the folder of a script first; mmseg's needs no other.
    monkeypatch.syspath_prepend(str(script.parent))
    runpy.run_path(str(script), run_name='__main__')


def spawn(
    script: Path, *arguments, cwd: Path, **env: str
) -> subprocess.CompletedProcess:
    """Run a script in a process of its own, outside of the repository."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', **env}
    environment.setdefault('PYTHONPATH', '')
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
    )
