"""Whole runs of query distillation: resume, two processes."""

import re

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from slotkd.datasets.vis_clips import VisClips
from tests import toy_configs
from tests.two_processes import train_in_two_processes

pytestmark = pytest.mark.usefixtures('plain_config_text')

CONFIG = 'configs/ookd/ookd_r18-tiny_from-r18-tiny_1xb4-800_vis-shapes-64.py'


@pytest.fixture
def cfg(repo, tmp_path):
    """Return a toy distiller."""
    toy = toy_configs.shrink(Config.fromfile(repo / CONFIG), tmp_path)
    toy.train_cfg.val_interval = toy.default_hooks.checkpoint.interval = 100
    return toy


def trained(cfg, work_dir, max_iters, resume=False):
    cfg = Config(cfg.to_dict())
    cfg.train_cfg.max_iters = max_iters
    cfg.update(work_dir=str(work_dir), resume=resume, log_level='INFO')
    cfg.experiment_name = f'{work_dir.name}-{max_iters}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def test_resume_equals_an_uninterrupted_run(cfg, tmp_path, monkeypatch):
    read = VisClips.__getitem__

    def read_seeded(self, index):
        """Draw by the clip, and after it the points of mmdet's losses."""
        np.random.seed(index)
        torch.manual_seed(index)
        return read(self, index)

    monkeypatch.setattr(VisClips, '__getitem__', read_seeded)
    whole = trained(cfg, tmp_path / 'whole', 4).model.state_dict()
    trained(cfg, tmp_path / 'parts', 2)
    parts = trained(cfg, tmp_path / 'parts', 4, resume=True)
    logs = (tmp_path / 'parts').rglob('*.log')
    assert any('resumed epoch: 0, iter: 2' in log.read_text() for log in logs)
    assert parts.iter == 4
    for key, value in parts.model.state_dict().items():
        assert torch.equal(value, whole[key]), key


@pytest.mark.slow
def test_two_processes_train(cfg, repo, tmp_path):
    log = train_in_two_processes(cfg, repo, tmp_path)
    assert len(re.findall(r' loss_query: ([\d.]+)', log)) == 3
