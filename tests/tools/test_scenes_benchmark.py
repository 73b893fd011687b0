import json
import runpy
import sys


def test_rates_are_written(repo, tmp_path, monkeypatch, capsys):
    folder = repo / 'tools' / 'benchmarks'
    out = tmp_path / 'new' / 'result.json'
    options = '--levels a --videos 2 --frames 2 --size 24 --out'.split()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, 'argv', ['benchmark', *options, str(out)])
    runpy.run_path(str(folder / 'benchmark_scenes.py'), run_name='__main__')
    sys.modules.pop('timing', None)
    result = json.loads(out.read_text())
    rates = result['levels']['a']
    assert result['frames'] == 2 and len(rates) == 4
    assert rates['cpu_frames_per_s_best'] >= rates['cpu_frames_per_s'] > 0
    assert 'level a: wall_frames_per_s' in capsys.readouterr().out
