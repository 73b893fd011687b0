"""The benchmark of mask propagation runs each case apart and sums up."""

import importlib.util
import json
import subprocess
import sys

import pytest
import torch


@pytest.fixture
def benchmark(repo, monkeypatch):
    folder = repo / 'tools' / 'benchmarks'
    monkeypatch.syspath_prepend(folder)
    path = folder / 'benchmark_vos.py'
    spec = importlib.util.spec_from_file_location('benchmark_vos', path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'benchmark_vos', module)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop('timing', None)


@pytest.mark.parametrize('objects', [1, 5, 10])
def test_each_object_has_a_stripe(benchmark, objects):
    mask = benchmark.first_mask(objects, (48, 85))
    assert mask.unique().tolist() == list(range(objects + 1))


def test_a_case_is_measured(benchmark):
    case = benchmark.Case(
        model='tiny',
        objects=2,
        frames=18,
        size=(33, 49),
        threads=torch.get_num_threads(),
    )
    result = benchmark.run_case(case)
    assert result['frames_per_s'] > 0 and result['cpu_s_per_frame'] > 0
    assert result['peak_mib'] >= result['loaded_mib'] > 10


def test_every_case_of_the_table_is_run(benchmark, tmp_path, monkeypatch):
    out = tmp_path / 'new' / 'result.json'
    seen = []

    def apart(case):
        seen.append(case)
        return dict(frames_per_s=1.0, cpu_s_per_frame=1.0, peak_mib=9.0)

    monkeypatch.setattr(benchmark, 'run_apart', apart)
    threads = str(torch.get_num_threads())
    argv = ['benchmark_vos.py', '--threads', threads, '--out', str(out)]
    monkeypatch.setattr(sys, 'argv', argv)
    benchmark.main()
    assert [(c.model, c.objects) for c in seen[:6]] == [
        (model, objects) for model in ('mv2', 'r50') for objects in (1, 5, 10)
    ]
    assert [c.frames for c in seen[6:]] == [50, 500]
    assert len(json.loads(out.read_text())['cases']) == 8


def test_a_failed_case_stops(benchmark, monkeypatch):
    def failed(*_, **__):
        return subprocess.CompletedProcess([], 1, '', 'no memory\n')

    monkeypatch.setattr(subprocess, 'run', failed)
    case = benchmark.Case(
        model='tiny', objects=1, frames=2, size=(33, 49), threads=1
    )
    with pytest.raises(SystemExit, match="model='tiny'.*failed"):
        benchmark.run_apart(case)
