"""Whole runs of mask propagation: resume, checkpoints, two processes."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from slotkd.compat import load_from_local
from slotkd.registry import DATASETS
from tests import toy_configs
from tests.conftest import REPO
from tests.two_processes import train_in_two_processes

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


FROM_FILES = {
    path.name
    for path in (REPO / 'configs/deform_vos').glob('*.py')
    if 'davis' in path.name or 'ytvos' in path.name
}
LABEL_FREE = {n for n in FROM_FILES if n.startswith(('label-free', 'color'))}
# Teachers of the published sizes are trained with all masks.
WITH_LABELS = {name for name in FROM_FILES if name.startswith('vos_resnet50')}


@pytest.mark.parametrize('name', sorted(FROM_FILES - WITH_LABELS))
def test_no_mask_is_read_but_the_first_or_none(name, tmp_path):
    leaf = Config.fromfile(REPO / 'configs/deform_vos' / name)
    toy = toy_configs.shrink(leaf, tmp_path)
    masks = list(tmp_path.rglob('Annotations/**/*.png'))
    later = [path for path in masks if path.stem != '00000']
    assert len(later) > len(masks) // 2
    for path in masks if name in LABEL_FREE else later:
        path.write_bytes(b'poison')
    dataset = DATASETS.build(toy.train_dataloader.dataset)
    for index in range(len(dataset)):
        assert len(dataset[index]['inputs']) > 1


@pytest.mark.slow
def test_two_processes_train(cfg, repo, tmp_path):
    cfg.model.student.label_iters = 1  # then the bank gets no gradient
    log = train_in_two_processes(cfg, repo, tmp_path)
    assert len(re.findall(r' loss_pseudo_label: ([\d.]+)', log)) == 3
