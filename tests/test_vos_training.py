"""Whole runs of mask propagation: resume, checkpoints, two processes."""

import os
import re
import socket
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from slotkd.compat import load_from_local
from tests import toy_configs

pytestmark = pytest.mark.usefixtures('plain_config_text')

CONFIG = (
    'configs/deform_vos/'
    'deform-vos_conv-tiny_from-conv-small_1xb8-400_textured-shapes-96.py'
)


@pytest.fixture
def cfg(repo, tmp_path):
    """Return a toy distiller that draws nothing in a training step."""
    toy = toy_configs.shrink(Config.fromfile(repo / CONFIG), tmp_path)
    toy.model.jitter = None
    toy.model.student.shuffle_identities = False
    toy.train_cfg.val_interval = 100
    toy.default_hooks.checkpoint.interval = 100
    return toy


def trained(cfg, work_dir, max_iters, resume=False):
    cfg = Config(cfg.to_dict())
    cfg.train_cfg.max_iters = max_iters
    cfg.update(work_dir=str(work_dir), resume=resume)
    cfg.experiment_name = f'{work_dir.name}-{max_iters}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def test_resume_equals_an_uninterrupted_run_without_the_teacher(cfg, tmp_path):
    whole = trained(cfg, tmp_path / 'whole', 4).model.state_dict()
    trained(cfg, tmp_path / 'parts', 2)
    saved = load_from_local(tmp_path / 'parts' / 'iter_2.pth')['state_dict']
    assert {key.partition('.')[0] for key in saved} == {'student'}
    parts = trained(cfg, tmp_path / 'parts', 4, resume=True)
    assert parts.iter == 4
    moved = 0
    for key, value in parts.model.state_dict().items():
        assert torch.equal(value, whole[key]), key
        moved += not torch.equal(value, saved[key])
    assert moved > 20


@pytest.mark.slow
def test_two_processes_train(cfg, repo, tmp_path):
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        find_unused_parameters=True,
    )
    cfg.model.student.label_iters = 1  # then the bank gets no gradient
    cfg.train_cfg.max_iters = 3
    cfg.env_cfg.dist_cfg.backend = 'gloo'
    cfg.log_level = 'INFO'
    cfg.default_hooks.logger.interval = 1
    cfg.dump(tmp_path / 'two.py')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run'),
            *('--nproc_per_node=2', f'--master_port={port}'),
            *('tools/train.py', str(tmp_path / 'two.py')),
            *('--launcher', 'pytorch', '--work-dir', str(tmp_path / 'two')),
        ],
        cwd=repo,
        env=os.environ | {'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    log = done.stdout + done.stderr
    assert len(re.findall(r' loss_pseudo_label: ([\d.]+)', log)) == 3
    assert (tmp_path / 'two' / 'iter_3.pth').is_file()
