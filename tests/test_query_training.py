"""Whole runs of query distillation: two processes."""

import re

import pytest
from mmengine.config import Config

from tests import toy_configs
from tests.two_processes import train_in_two_processes

pytestmark = pytest.mark.usefixtures('plain_config_text')

CONFIG = 'configs/ookd/ookd_r18-tiny_from-r18-tiny_1xb4-800_vis-shapes-64.py'


@pytest.mark.slow
def test_two_processes_train(repo, tmp_path):
    cfg = toy_configs.shrink(Config.fromfile(repo / CONFIG), tmp_path)
    cfg.train_cfg.val_interval = cfg.default_hooks.checkpoint.interval = 100
    log = train_in_two_processes(cfg, repo, tmp_path)
    assert len(re.findall(r' loss_query: ([\d.]+)', log)) == 3
