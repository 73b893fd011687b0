"""The experiments on mask propagation: what is varied, kept and printed."""

import importlib.util
import json
import sys

import pytest

from slotkd.engine import check_config


@pytest.fixture
def ablate(repo):
    path = repo / 'tools' / 'benchmarks' / 'ablate_vos.py'
    spec = importlib.util.spec_from_file_location('ablate_vos', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pretend_teacher(ablate, work_dir, name, seed):
    run = work_dir / ablate.folder(name, seed)
    run.mkdir()
    (run / 'last_checkpoint').write_text(f'{run}/iter_400.pth\n')
    return f'{run}/iter_400.pth'


def test_every_run_has_a_valid_config_of_its_seed(ablate, tmp_path):
    for name in ('teacher', 'colour teacher, label-free'):
        pretend_teacher(ablate, tmp_path, name, 3)
    for name in (*ablate.MAIN, *ablate.LABEL_FREE, *ablate.READS):
        cfg = ablate.run_config(name, 3, tmp_path)
        check_config(cfg, ablate.REQUIRED)
        assert cfg.randomness.seed == 3
        videos = cfg.train_dataloader.dataset
        assert videos.get('dataset', videos).seed == 1003
        assert cfg.test_dataloader.dataset.seed == 2


def test_students_get_the_teacher_of_their_seed(ablate, tmp_path):
    path = pretend_teacher(ablate, tmp_path, 'teacher', 1)
    cfg = ablate.run_config('student, distilled', 1, tmp_path)
    assert cfg.model.teacher_checkpoint == path
    with pytest.raises(ValueError, match='the teacher was not trained'):
        ablate.run_config('student, distilled', 2, tmp_path)


def test_reads_differ_in_the_long_read_alone(ablate, tmp_path):
    gdpm = {
        name: ablate.run_config(name, 0, tmp_path).model.propagator.gdpm
        for name in ablate.READS
    }
    assert len({json.dumps(g, sort_keys=True) for g in gdpm.values()}) == 9
    assert gdpm['fixed grid, stride 4'] == dict(stride=4, range_cells=0)
    cfg = ablate.run_config('fixed grid, stride 1', 0, tmp_path)
    assert cfg.model.propagator.token_dim == 64
    assert cfg.model.losses.segmentation.type == 'MaskSegmentationLoss'


def test_schedules_shrink_with_the_run(ablate):
    node = dict(label_iters=300, losses=dict(a=dict(hard_iters=200, ramp=20)))
    ablate.shorten(node, 0.1)
    assert node == dict(
        label_iters=30, losses=dict(a=dict(hard_iters=20, ramp=2))
    )


def test_finished_runs_are_kept(ablate, tmp_path, monkeypatch, capsys):
    done = []

    def run(cfg, work_dir, iters):
        work_dir.mkdir(parents=True)
        (work_dir / 'last_checkpoint').write_text('teacher.pth')
        done.append(work_dir.name)
        score = 0.5 + 0.1 * cfg.randomness.seed
        scores = dict.fromkeys(ablate.SCORES, score)
        return scores | dict(iters=iters or 400)

    monkeypatch.setattr(ablate, 'run', run)
    options = ['--work-dir', str(tmp_path), '--groups', 'main', '--seeds']
    for seeds, count in ((['0'], 3), (['0', '1'], 6), (['0', '1'], 6)):
        argv = ['ablate_vos.py', *options, *seeds]
        monkeypatch.setattr(sys, 'argv', argv)
        ablate.main()
        assert len(done) == count
    table = capsys.readouterr().out.splitlines()[-3:]
    assert table[0] == '| teacher | 2 |' + ' 55.0 ± 7.1 |' * 3
    monkeypatch.setattr(sys, 'argv', [*argv, '--iters', '250'])
    with pytest.raises(ValueError, match='runs of 400 iterations, 250 are'):
        ablate.main()
