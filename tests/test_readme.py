"""What the README shows runs, and what it names exists."""

import re

from tests.conftest import REPO

README = (REPO / 'README.md').read_text(encoding='utf-8')


def test_the_python_block_runs(monkeypatch, capsys):
    (block,) = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
    monkeypatch.chdir(REPO)
    exec(block, {})
    assert '[1, 6, 7, 32]' in capsys.readouterr().out


def test_files_it_names_exist():
    links = re.findall(r'\]\(([^)#:]+)\)', README)
    configs = re.findall(r'configs/[\w./-]+\.py', README)
    tools = re.findall(r'tools/\w+\.py', README)
    assert links and configs and tools
    for name in {*links, *configs, *tools}:
        assert (REPO / name).exists(), name
