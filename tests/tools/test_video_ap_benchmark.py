import json
import runpy
import sys

import pytest

SMALL = '--videos 2 --frames 3 --predictions 2 3 --size 24 32 --repeats 1'


@pytest.fixture
def run(repo, tmp_path, monkeypatch):
    """Return a function that runs the benchmark and reads its result."""
    folder = repo / 'tools' / 'benchmarks'
    monkeypatch.syspath_prepend(folder)

    def run(*arguments):
        out = tmp_path / 'result.json'
        path = str(folder / 'benchmark_video_ap.py')
        monkeypatch.setattr(sys, 'argv', [path, *arguments, '--out', str(out)])
        runpy.run_path(path, run_name='__main__')
        return json.loads(out.read_text())

    yield run
    sys.modules.pop('timing', None)


def test_a_small_set(run):
    result = run(*SMALL.split())
    assert result['videos'] == 2
    assert result['times']['video AP']['cpu_min_s'] > 0


@pytest.mark.slow
def test_300_videos_take_less_than_30_seconds(run):
    result = run('--repeats', '1')
    assert result['videos'] == 300
    assert result['times']['video AP']['cpu_min_s'] < 30
