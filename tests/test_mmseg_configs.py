"""Every config for mmsegmentation loads, builds, steps and can be dumped.

They are run by mmsegmentation's tools, so their scope is its and their
names and data sets are: the checks of ``test_configs.py`` in its terms.
"""

import copy
import functools
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from slotkd.engine import check_model
from slotkd.registry import MODELS
from tests import toy_configs, toy_mmseg
from tests.test_configs import CONFIGS, CONTRACT, NAME, Start

pytestmark = pytest.mark.usefixtures('plain_config_text')

LEAVES = sorted((CONFIGS / 'mmseg').glob('*.py'))
each_leaf = pytest.mark.parametrize('path', LEAVES, ids=lambda p: p.stem)


@functools.cache
def parsed(path: Path) -> Config:
    return Config.fromfile(path)


@pytest.fixture(scope='module', autouse=True)
def metafiles_read_once():
    """Spare the time that parsing them for each leaf takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmengine.config.utils.load', toy_mmseg.read_metafile)
        yield


@pytest.fixture
def cfg(path) -> Config:
    """Return a config of its own, parsed once in all."""
    return copy.deepcopy(parsed(path))


def is_probe(path: Path) -> bool:
    return path.stem.startswith('linear-probe')


@each_leaf
def test_leaf_defines_what_the_contract_names(cfg):
    assert [name for name in CONTRACT if name not in cfg] == []
    assert cfg.default_scope == 'mmseg'
    line = dict(imports=['slotkd'], allow_failed_imports=False)
    assert cfg.custom_imports == line
    # Not the rest: mmsegmentation's bases define names that nothing reads.
    check_model(cfg)


@each_leaf
def test_leaf_survives_being_dumped(cfg, tmp_path):
    cfg.dump(tmp_path / 'dumped.py')
    dumped = Config.fromfile(tmp_path / 'dumped.py')
    assert dumped.to_dict() == cfg.to_dict()


@pytest.fixture
def numbers_on_meta(monkeypatch):
    """Let mmsegmentation read its drop rates while a model is on meta."""
    linspace = functools.partial(torch.linspace, device='cpu')
    monkeypatch.setattr(torch, 'linspace', linspace)


def at_full_size(model: dict, size: tuple[int, int]) -> torch.Size:
    """Return the shape of a prediction without allocating anything."""
    DefaultScope.get_instance('full-size', scope_name='mmseg')
    with torch.device('meta'):
        built = MODELS.build(dict(model, _scope_='mmseg')).eval()
        return built(torch.empty(1, 3, *size)).shape


@pytest.mark.usefixtures('numbers_on_meta')
@each_leaf
def test_leaf_fits_together_at_full_size(cfg):
    model = cfg.model.get('student', cfg.model)
    for part in toy_configs.walk(model):
        if part.get('type') in ('slotkd.SlotBackbone', 'DinoViT'):
            part['allow_random'] = True
    size = model.get('data_preprocessor', cfg.model).get('size')
    shape = at_full_size(model, size)
    assert shape[1] == model.decode_head.num_classes
    if 'teacher' in cfg.model:
        assert at_full_size(cfg.model.teacher, size) == shape


@each_leaf
def test_leaf_trains_and_validates_at_toy_size(cfg, path, tmp_path):
    cfg = toy_mmseg.shrink(cfg, tmp_path)
    runner = Runner.from_cfg(cfg)
    start = Start()
    runner.register_hook(start)
    runner.train()
    after = runner.model.state_dict()
    assert runner.iter == 2
    assert all(torch.isfinite(v).all() for v in after.values())
    moved = {k for k, v in after.items() if not torch.equal(v, start.state[k])}
    assert any('decode_head' in key for key in moved)
    assert any('backbone' in key for key in moved) != is_probe(path)
    assert not any('teacher' in key for key in after)
    if 'ssync' in path.stem:
        assert 'loss_ssync_bd' in str(list(runner.message_hub.log_scalars))


@each_leaf
def test_leaf_is_named_by_the_grammar_and_short(path):
    assert NAME.fullmatch(path.stem), path.name
    text = path.read_text()
    assert text.startswith('#'), 'say which model of which paper it is'
    assert len(text.splitlines()) <= 60


def test_there_is_a_leaf_for_each_use_and_data_set():
    names = {path.stem for path in LEAVES}
    data_sets = ('ade20k', 'cityscapes', 'shapes')
    for methods, data in (
        (('linear-probe', 'fine-tune'), ('voc12', *data_sets)),
        (('seg-distill', 'ssync-seg-distill'), data_sets),
    ):
        for method in methods:
            found = [n for n in names if n.startswith(f'{method}_')]
            for name in data:
                assert any(f'_{name}-' in n for n in found), (method, name)
