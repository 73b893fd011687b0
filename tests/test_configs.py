"""Every shipped config loads, builds, steps and survives being dumped."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from slotkd.engine import check_config
from tests import toy_configs, toy_vis, toy_vos

pytestmark = pytest.mark.usefixtures('plain_config_text')

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
# Configs for mmsegmentation are of its scope: test_mmseg_configs.py.
LEAVES = sorted(
    path
    for path in CONFIGS.rglob('*.py')
    if not any(
        part.startswith('_') or part == 'mmseg'
        for part in path.relative_to(CONFIGS).parts
    )
)
BASES = sorted((CONFIGS / '_base_').rglob('*.py'))
CONTRACT = (
    'model',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'val_evaluator',
    'test_evaluator',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'test_pipeline',
)
NAME = re.compile(
    r'[a-z0-9-]+_[a-z0-9-]+(_from-[a-z0-9-]+)?_\d+xb\d+-\d+k?_[a-z0-9_-]+'
)


def leaf(path: Path) -> str:
    return str(path.relative_to(CONFIGS).with_suffix(''))


each_leaf = pytest.mark.parametrize('path', LEAVES, ids=leaf)


@each_leaf
def test_leaf_defines_what_the_contract_names(path):
    cfg = Config.fromfile(path)
    assert [name for name in CONTRACT if name not in cfg] == []
    assert cfg.default_scope == 'slotkd'
    check_config(cfg, CONTRACT)


@each_leaf
def test_leaf_survives_being_dumped(path, tmp_path):
    cfg = Config.fromfile(path)
    cfg.dump(tmp_path / 'dumped.py')
    dumped = Config.fromfile(tmp_path / 'dumped.py')
    assert dumped.to_dict() == cfg.to_dict()
    check_config(dumped, CONTRACT)


@each_leaf
def test_leaf_builds_at_full_size(path):
    """The sizes as shipped fit together; nothing is allocated."""
    cfg = Config.fromfile(path)
    assert toy_configs.parameters(cfg.model) > 0
    if 'teacher' in cfg.model:
        assert toy_configs.parameters(cfg.model.teacher) > 0


RUN = re.compile(r'work_dirs/([^/]+)/iter_(\d+)\.pth')
STEMS = {path.stem: path for path in CONFIGS.rglob('*.py')}


@each_leaf
def test_runs_that_a_leaf_begins_with_are_those_of_leaves(path):
    """Names and iterations, for renaming a leaf is easy."""
    text = Config.fromfile(path, use_predefined_variables=False)._cfg_dict
    for name, last in RUN.findall(str(text.to_dict())):
        assert name in STEMS
        source = Config.fromfile(STEMS[name])
        assert source.train_cfg.max_iters == int(last)


class Start(Hook):
    """Keeps the weights that training starts from."""

    def before_train(self, runner):
        state = runner.model.state_dict()
        self.state = {key: value.clone() for key, value in state.items()}


@each_leaf
def test_leaf_trains_and_validates_at_toy_size(path, tmp_path):
    cfg = toy_configs.shrink(Config.fromfile(path), tmp_path)
    runner = Runner.from_cfg(cfg)
    start = Start()
    runner.register_hook(start)
    runner.train()
    after = runner.model.state_dict()
    assert runner.iter == 2
    assert all(torch.isfinite(v).all() for v in after.values())
    moved = [k for k, v in after.items() if not torch.equal(v, start.state[k])]
    if toy_vos.is_vos(cfg):
        assert any('propagator' in key or 'head' in key for key in moved)
        return
    if toy_vis.is_query_config(cfg):
        assert any('head.mask_embed' in key for key in moved)
        assert any('backbone.layer4' in key for key in moved)
        return
    assert any('corrector' in key for key in moved)
    assert not any('backbone' in key for key in moved)


@each_leaf
def test_leaf_is_named_by_the_grammar_and_short(path):
    assert NAME.fullmatch(path.stem), path.name
    text = path.read_text()
    assert text.startswith('#'), 'say which model of which paper it is'
    assert len(text.splitlines()) <= 60


@pytest.mark.parametrize('path', BASES, ids=lambda p: p.stem)
def test_base_loads_and_a_model_base_is_named_as_its_file(path):
    cfg = Config.fromfile(path)
    if path.parent.name == 'models':
        assert list(cfg) == [path.stem]


def test_there_are_leaves():
    assert {p.parent.name for p in LEAVES} >= {'slotcontrast', 'slotmatch'}


def test_no_config_names_a_machine():
    for path in [*LEAVES, *BASES]:
        text = path.read_text()
        # Below another path, as in `data_root + '/train.json'`, is fine.
        machine = re.search(r"(?<!\+ )['\"](/|~|[A-Z]:\\)", text)
        assert machine is None, path
