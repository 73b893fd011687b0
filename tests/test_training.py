"""Whole runs: resume, checkpoints, distillation, distributed training."""

import os
import re
import socket
import subprocess
import sys

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.registry import MODELS

from slotkd.compat import load_from_local
from tests import toy_run

pytestmark = pytest.mark.usefixtures('plain_config_text')


@pytest.fixture
def teacher_file(tmp_path):
    """Save the weights of a toy teacher."""
    torch.manual_seed(7)
    path = tmp_path / 'teacher.pth'
    torch.save(MODELS.build(toy_run.teacher()).state_dict(), path)
    return str(path)


def trained(cfg, work_dir, max_iters=8, **changes):
    """Train and return the runner."""
    cfg = toy_run.Config(cfg.to_dict() | changes)
    cfg.train_cfg.max_iters = max_iters
    runner = toy_run.runner(cfg, work_dir)
    runner.train()
    return runner


def history(runner, name):
    return runner.message_hub.get_scalar(f'train/{name}').data[0].tolist()


def weights(runner):
    return {k: v.clone() for k, v in runner.model.state_dict().items()}


@pytest.fixture(params=['slot model', 'distiller'])
def cfg(request):
    """Return a config to resume."""
    if request.param == 'slot model':
        return toy_run.config()
    teacher_file = request.getfixturevalue('teacher_file')
    return toy_run.config(model=toy_run.distiller(teacher_file))


def test_resume_equals_an_uninterrupted_run(cfg, tmp_path):
    whole = trained(cfg, tmp_path / 'whole')
    trained(cfg, tmp_path / 'parts', max_iters=3)
    parts = trained(cfg, tmp_path / 'parts', resume=True)
    names = [k for k in whole.message_hub.log_scalars if 'loss' in k]
    names = [k.removeprefix('train/') for k in names]
    assert 'loss_slot_contrast' in names
    for name in [*names, 'lr']:
        assert len(history(whole, name)) == 8
        assert history(whole, name) == history(parts, name)
    expected = weights(whole)
    for key, value in weights(parts).items():
        assert torch.equal(value, expected[key]), key
    state = whole.optim_wrapper.state_dict()['state']
    for index, moments in parts.optim_wrapper.state_dict()['state'].items():
        for key, value in moments.items():
            assert torch.equal(value, state[index][key])


def test_rates_of_a_run_are_the_published_factors(tmp_path):
    runner = trained(toy_run.config(), tmp_path / 'run')
    expected = [0, 1 / 3, 2 / 3] + [0.5 ** (i / 17) for i in range(5)]
    assert [lr / 0.01 for lr in history(runner, 'lr')] == pytest.approx(
        expected, rel=1e-12
    )


def test_checkpoint_holds_no_teacher_tensor(teacher_file, tmp_path):
    cfg = toy_run.config(model=toy_run.distiller(teacher_file))
    runner = trained(cfg, tmp_path / 'run', max_iters=2)
    saved = load_from_local(tmp_path / 'run' / 'iter_2.pth')
    roots = {key.partition('.')[0] for key in saved['state_dict']}
    assert roots == {'student', 'distill_losses'}
    trained_tensors = [p for p in runner.model.parameters() if p.requires_grad]
    moments = saved['optimizer']['state']
    assert len(moments) == len(trained_tensors)
    assert sum(p.numel() for p in trained_tensors) == sum(
        m['exp_avg'].numel() for m in moments.values()
    )
    # Nowhere else in the file either: no tensor has a value of the teacher.
    teacher = torch.load(teacher_file)
    matrices = [v for v in teacher.values() if v.ndim > 1]
    for tensor in saved['state_dict'].values():
        for matrix in matrices:
            assert not torch.equal(tensor, matrix)


def test_teacher_does_not_change_in_training(teacher_file, tmp_path):
    cfg = toy_run.config(model=toy_run.distiller(teacher_file))
    model = trained(cfg, tmp_path / 'run', max_iters=3).model
    before = torch.load(teacher_file)
    for key, value in model.teacher.state_dict().items():
        assert torch.equal(value, before[key])
    model.train()
    assert model.student.training and not model.teacher.training


def test_ema_of_a_distiller_leaves_the_teacher_out(teacher_file, tmp_path):
    cfg = toy_run.config(
        model=toy_run.distiller(teacher_file),
        custom_hooks=[dict(type='EMAHook', momentum=0.5)],
    )
    trained(cfg, tmp_path / 'run', max_iters=2)
    saved = load_from_local(tmp_path / 'run' / 'iter_2.pth')
    ema = [k for k in saved['ema_state_dict'] if k != 'steps']
    assert {key.split('.')[1] for key in ema} == {'student', 'distill_losses'}
    resumed = trained(cfg, tmp_path / 'run', max_iters=4, resume=True)
    assert resumed.iter == 4


def test_nan_stops_before_the_weights_change(tmp_path, monkeypatch):
    cfg = toy_run.config()
    runner = toy_run.runner(cfg, tmp_path / 'run')
    before = weights(runner)
    bad = runner.model.losses.losses['slot_contrast']
    forward = bad.forward

    def nan_at_iteration_0(output):
        return forward(output) * float('nan')

    monkeypatch.setattr(bad, 'forward', nan_at_iteration_0)
    with pytest.raises(FloatingPointError, match='loss_slot_contrast') as e:
        runner.train()
    assert 'iteration 0' in str(e.value)
    for key, value in weights(runner).items():
        assert torch.equal(value, before[key])
    assert not list((tmp_path / 'run').glob('*.pth'))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def launch(repo, *arguments, processes=2):
    """Run tools/train.py in several processes as dist_train.sh does."""
    return subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run'),
            f'--nproc_per_node={processes}',
            f'--master_port={free_port()}',
            *(str(repo / 'tools' / 'train.py'), *arguments),
            *('--launcher', 'pytorch'),
        ],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_two_processes_on_the_cpu_step_like_one(repo, teacher_file, tmp_path):
    """Two processes of two clips each train like one of four."""
    model = toy_run.distiller(teacher_file)
    # Both terms are plain means over clips. From iteration 2 on the second
    # one is outside its window, with parameters of its own.
    model['student']['losses'] = dict(
        recon=dict(type='FeatureReconstructionLoss')
    )
    model['distill_losses']['slot_match'] |= dict(end=2, ramp=0)
    cfg = toy_run.config(model=model)
    # Adam would enlarge the rounding noise of gradients that are zero.
    cfg.optim_wrapper.optimizer = dict(type='SGD', lr=1.0)
    one = trained(cfg, tmp_path / 'one', max_iters=4)
    cfg.train_cfg.max_iters = 4
    cfg.train_dataloader.batch_size = 2
    path = toy_run.dump(cfg, tmp_path / 'two.py')
    done = launch(repo, str(path), '--work-dir', str(tmp_path / 'two'))
    assert done.returncode == 0, done.stderr[-3000:]
    log = done.stdout + done.stderr
    assert 'Distributed training: True' in log and 'GPU number: 2' in log
    assert len(re.findall(r' loss: ([\d.]+)', log)) == 4
    state = load_from_local(tmp_path / 'two' / 'iter_4.pth')['state_dict']
    expected = weights(one)
    assert state.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(state[key], value, rtol=0, atol=1e-5)


def test_message_hub_step_drives_the_window(teacher_file, tmp_path):
    model = toy_run.distiller(teacher_file)
    model['distill_losses']['slot_match'] |= dict(begin=2, ramp=0)
    runner = trained(toy_run.config(model=model), tmp_path / 'run', 4)
    values = history(runner, 'loss_slot_match')
    assert values[:2] == [0, 0]
    assert min(values[2:]) > 0
    assert MessageHub.get_current_instance().get_info('iter') == 3
