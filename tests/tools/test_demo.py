"""The demo from end to end, with short trainings and few test videos."""

import json
import re
import sys
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location

import pytest

RUNS = {'teacher', 'student', 'control'}


@pytest.fixture
def demo(repo, monkeypatch, tmp_path, plain_config_text):
    """Return the tool as a module whose test sets are small."""
    spec = spec_from_file_location('demo', repo / 'tools' / 'demo.py')
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'demo', module)
    spec.loader.exec_module(module)
    full_config = module.run_config

    def small_config(*arguments):
        cfg = full_config(*arguments)
        for name in ('val_dataloader', 'test_dataloader'):
            cfg[name].dataset.num_videos = 5
        return cfg

    monkeypatch.setattr(module, 'run_config', small_config)
    monkeypatch.setattr(
        module,
        'frames_per_second',
        partial(module.frames_per_second, rounds=1, videos=2),
    )
    monkeypatch.chdir(tmp_path)
    return module


def is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_the_whole_demo(demo, monkeypatch, tmp_path, capfd):
    arguments = ['--work-dir', 'out', '--seeds', '0', '--iters', '2']
    monkeypatch.setattr(sys, 'argv', ['demo.py', *arguments])
    demo.main()

    results = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert isinstance(results['dataset'], str)
    assert results['seed'] == 0 and results['wall_s'] > 0
    assert set(results['runs']) == RUNS
    for run in results['runs'].values():
        assert 0 <= run['mbo'] <= 1 and -1 <= run['fg_ari'] <= 1
        assert isinstance(run['params'], int) and run['params'] > 0
        for key in ('fg_ari', 'mbo', 'frames_per_s', 'train_s'):
            assert is_number(run[key])
        assert run['frames_per_s'] > 0 and run['train_s'] > 0
    sizes = {name: run['params'] for name, run in results['runs'].items()}
    assert sizes['student'] == sizes['control'] < sizes['teacher']

    report = (tmp_path / 'out' / 'report.html').read_text(encoding='utf-8')
    assert '<html' in report and all(name in report for name in RUNS)
    addresses = re.findall(
        r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""", report
    ) + re.findall(r"""url\(["']?([^"')]+)""", report)
    assert addresses
    assert all(address.startswith(('data:', '#')) for address in addresses)
    assert '@import' not in report

    out = capfd.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith('| ')]
    assert len(lines) == 2 + len(RUNS)
    for name, line in zip(results['runs'], lines[2:], strict=True):
        score = f'{100 * results["runs"][name]["fg_ari"]:.1f}'
        assert line.startswith(f'| {name} | {score} | ')
        assert '±' not in line and f'{sizes[name]:,}' in line
    assert out.rstrip().endswith('Report: out/report.html')
