"""Fixtures shared by the whole suite."""

import gc
import os
import uuid
from pathlib import Path

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

REPO = Path(__file__).resolve().parents[1]

# Tensors here are tiny: more threads only get in each other's way. Commands
# that tests start inherit the limit.
os.environ.setdefault('OMP_NUM_THREADS', '1')
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fresh_process_state():
    """Give each test its own scope, logger, message hub and seed."""
    managers = (DefaultScope, MessageHub, MMLogger, Visualizer)
    saved = [dict(m._instance_dict) for m in managers]
    DefaultScope.get_instance(f'test-{uuid.uuid4()}', scope_name='slotkd')
    torch.manual_seed(0)
    yield
    for manager, instances in zip(managers, saved, strict=True):
        manager._instance_dict.clear()
        manager._instance_dict.update(instances)


@pytest.fixture(scope='session')
def repo() -> Path:
    """Return the root of the repository."""
    return REPO


@pytest.fixture(scope='session')
def shared() -> Path:
    """Return the private sample data, or skip where they are absent."""
    path = Path(os.environ.get('SLOTKD_SHARED', REPO.parent / 'shared'))
    if not path.is_dir():
        pytest.skip(
            f'private sample data not found at {path}; set SLOTKD_SHARED'
        )
    return path


@pytest.fixture
def process_group(tmp_path):
    """Open a group of this process alone, for a test of wrapped models.

    It outlives the wrapped model. Otherwise the model ends it, and waits with
    Python's lock for a thread of gloo that waits for that lock.
    """
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    yield
    gc.collect()
    torch.distributed.destroy_process_group()


@pytest.fixture
def plain_config_text(monkeypatch):
    """Leave out the layout of dumped configs, most of a toy run's time."""
    monkeypatch.setattr(
        'mmengine.config.config.FormatCode',
        lambda text, **_: (text, True),
        raising=False,  # the fork of mmengine has none
    )
