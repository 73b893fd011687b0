"""The benchmarks run, agree before they time, and write what they say."""

import importlib.util
import json
import sys

import pytest
import torch

from tests import tiny

TIMES = {'wall_median_s', 'wall_min_s', 'cpu_median_s', 'cpu_min_s'}


@pytest.fixture
def benchmark(repo, tmp_path, monkeypatch):
    """Return a function that loads a benchmark, and one that runs it."""
    folder = repo / 'tools' / 'benchmarks'
    monkeypatch.syspath_prepend(folder)

    def load(name):
        path = folder / f'{name}.py'
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def run(module, *arguments):
        out = tmp_path / 'new' / 'result.json'
        threads = str(torch.get_num_threads())
        argv = [module.__file__, '--threads', threads, '--out', str(out)]
        monkeypatch.setattr(sys, 'argv', [*argv, *arguments])
        module.main()
        return json.loads(out.read_text())

    yield load, run
    sys.modules.pop('timing', None)


SMALL_DECODER = '--frames 1 --tokens 6 --slots 3 --hidden 8 9 --repeats 2'


def test_decoder(benchmark):
    load, run = benchmark
    result = run(load('benchmark_decoder'), *SMALL_DECODER.split())
    assert result['tokens'] == 6 and result['hidden'] == [8, 9]
    assert 0 < result['difference'] < 1e-5
    for key in TIMES:
        plain, ours = (result['times'][n][key] for n in ('plain', 'slotkd'))
        assert result['ratios'][key] == pytest.approx(plain / ours)
    # Slots and tokens of two hidden layers, in fp32, at the least.
    least = 6 * 3 * (8 + 9) * 4 / 2**20
    assert result['kept_mib']['plain'] > result['kept_mib']['slotkd'] > least


def test_decoders_that_differ_are_not_timed(benchmark, monkeypatch):
    load, run = benchmark
    module = load('benchmark_decoder')
    monkeypatch.setattr(
        module, 'decode', lambda m, s: module.decode_plain(m, 1.01 * s)
    )
    with pytest.raises(SystemExit, match='the decoders differ by'):
        run(module, *SMALL_DECODER.split())


def test_distill(benchmark, monkeypatch):
    load, run = benchmark
    module = load('benchmark_distill')
    monkeypatch.setattr(module, 'PATCH', 4)
    monkeypatch.setattr(
        module,
        'build',
        lambda name, size: tiny.build(tiny.slot_model(grid=(3, 3))),
    )
    result = run(module, *'--frames 2 --size 14 --repeats 2'.split())
    times = result['times']
    assert len(times) == 5
    for key in TIMES:
        both = times['student step + teacher'][key]
        assert result['overhead'][key] == pytest.approx(
            times['distillation step'][key] / both - 1
        )


def test_distill_builds_the_shipped_models(benchmark):
    module = benchmark[0]('benchmark_distill')
    with torch.device('meta'):
        model = module.build('slot_dinov2_s14_ytvis', 56)
    assert model.decoder.grid == (4, 4)
    assert model.backbone.frozen and model.backbone.allow_random


SMALL_READING = (
    '--shards 2 --videos 2 --frames 9 --size 8 --repeats 1 --steps 1'
)


def test_reading(benchmark, tmp_path, monkeypatch):
    load, run = benchmark
    module = load('benchmark_reading')
    monkeypatch.setattr(module, 'WARM_UP', 1)
    # mmengine collects garbage for each data set, half a second a time.
    monkeypatch.setattr('mmengine.dataset.base_dataset.gc.collect', int)
    result = run(module, *SMALL_READING.split(), '--dir', str(tmp_path))
    rates = result['clips_per_s']
    assert set(rates) == {'tarfile', 'cold index', 'warm index'}
    for row in rates.values():
        assert set(row) == {'disk', 'disk_cpu', 'memory', 'memory_cpu'}
        assert all(rate > 0 for rate in row.values())
    # Two archives of two videos: frames, masks and heads.
    assert result['bytes'] > 4 * 9 * 8 * 8 * 4
    training = result['training']
    assert training['workers'] == 2 and training['batch_size'] == 16
    assert 0 < training['wait_ms'] < training['step_ms']
    assert 0 < training['wait_share'] < 1
    assert 0 < training['wait_cpu_share'] < 1
    assert [p.name for p in tmp_path.iterdir()] == ['new']


def test_reading_checks_that_all_ways_read_the_same(benchmark, monkeypatch):
    load, run = benchmark
    module = load('benchmark_reading')
    monkeypatch.setattr(module, 'read_at_random', lambda folder: iter(()))
    with pytest.raises(SystemExit, match='0 clips of 4 videos'):
        run(module, *SMALL_READING.split())


@pytest.mark.slow
def test_ookd_variants_train_and_resume(benchmark, tmp_path, monkeypatch):
    """In this process: --run is what the tool starts for each variant."""
    load, _ = benchmark
    module = load('ablate_ookd')
    small = '--iters 4 --teacher-iters 4 --train 3 --val 2 --seeds 0'
    argv = ['ablate_ookd.py', '--work-dir', str(tmp_path), *small.split()]
    names = ['teacher', 'OOKD, pairs by cosine']
    monkeypatch.setattr(sys, 'argv', [*argv, '--variants', *names])
    started = []

    def start(name, seed, args, teacher=None):
        started.append((name, seed))
        module.folder_of(name, seed, args).mkdir()
        module.run_one(name, seed, args)

    monkeypatch.setattr(module, 'start', start)
    module.main()
    assert started == [('teacher', 0), ('OOKD, pairs by cosine', 0)]
    module.main()
    assert len(started) == 2
    args = module.parse_args()
    scores = json.loads(
        (module.folder_of(names[1], 0, args) / 'scores.json').read_text()
    )
    assert {'AP', 'AP_cross', 'association', 'pair_accuracy'} <= set(scores)
    rows = module.table(args).splitlines()
    assert len(rows) == 4 and rows[3].startswith('| OOKD, pairs by cosine | 1')
    assert module.VARIANTS.keys() > set(names)
    sys.argv[sys.argv.index('--iters') + 1] = '5'
    with pytest.raises(ValueError, match='a run of 4 iterations, 5 are'):
        module.main()
