"""The streaming benchmark measures, and finds a model that looks ahead."""

import importlib.util
import json
import sys

import pytest
import torch


@pytest.fixture
def benchmark(repo, monkeypatch):
    folder = repo / 'tools' / 'benchmarks'
    monkeypatch.syspath_prepend(folder)
    name = 'benchmark_vis_stream'
    spec = importlib.util.spec_from_file_location(name, folder / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, 'CHECKED', 2)
    yield module
    sys.modules.pop('timing', None)


def case(benchmark, tracker='OnlineTracker'):
    return benchmark.Case(
        config=str(benchmark.CONFIG),
        checkpoint=None,
        tracker=tracker,
        marks=[2, 4],
        size=32,
        threads=torch.get_num_threads(),
    )


@pytest.mark.parametrize('tracker', ['OnlineTracker', 'MemoryTracker'])
def test_a_case_is_measured(benchmark, tracker):
    result = benchmark.run_case(case(benchmark, tracker))
    assert result['frames_per_s'] > 0 and result['frames_per_cpu_s'] > 0
    assert len(result['resident_mib']) == 2
    assert min(result['resident_mib']) > 10
    if tracker == 'OnlineTracker':  # 12 slots: 64 wide, 5 classes, 4 numbers
        assert result['state_values'] == 12 * (64 + 5 + 4)


def test_a_model_that_looks_ahead_is_found(benchmark, monkeypatch):
    torch.manual_seed(0)
    model = benchmark.build(case(benchmark))
    video = benchmark.draw(case(benchmark))
    benchmark.check_causal(model, video)
    run = model.run
    monkeypatch.setattr(
        model, 'run', lambda clip, **_: run(clip + clip.mean(dim=1))
    )
    with pytest.raises(SystemExit, match='frame 0 knows later frames'):
        benchmark.check_causal(model, video)


def test_equal_videos_prove_nothing(benchmark):
    model = benchmark.build(case(benchmark))
    grey = torch.zeros(4, 3, 32, 32)
    with pytest.raises(SystemExit, match='change nothing'):
        benchmark.check_causal(model, grey)


def test_every_tracker_is_run(benchmark, tmp_path, monkeypatch):
    out = tmp_path / 'new' / 'result.json'
    seen = []

    def apart(case):
        seen.append((case.tracker, case.marks))
        return dict(
            frames_per_s=1.0, frames_per_cpu_s=1.0, resident_mib=[1.0, 1.0]
        )

    monkeypatch.setattr(benchmark, 'run_apart', apart)
    threads = str(torch.get_num_threads())
    argv = ['benchmark_vis_stream.py', '--marks', '4', '2', '--out', str(out)]
    monkeypatch.setattr(sys, 'argv', [*argv, '--threads', threads])
    benchmark.main()
    assert seen == [('OnlineTracker', [2, 4]), ('MemoryTracker', [2, 4])]
    assert len(json.loads(out.read_text())['cases']) == 2
