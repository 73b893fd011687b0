"""What a type names and which arguments it takes."""

import pytest
from mmengine.hooks import CheckpointHook
from mmengine.optim import LinearLR
from torch import nn

from slotkd.engine.type_lookup import (
    arguments,
    find_classes,
    hint,
    nearest,
    unregistered,
)


class Own:
    """A class that counts as slotkd's."""

    __module__ = 'slotkd.somewhere'

    def __init__(self, a, *, b=1):
        pass


class Child(Own):
    __module__ = 'slotkd.somewhere'

    def __init__(self, c, **kwargs):
        super().__init__(**kwargs)


class Bare(nn.Module):
    __module__ = 'slotkd.somewhere'


class Foreign(Own):
    __module__ = 'elsewhere'

    def __init__(self, c, **kwargs):
        super().__init__(**kwargs)


@pytest.mark.parametrize(
    ('cls', 'expected'),
    [
        (Own, {'a', 'b'}),
        (Child, {'a', 'b', 'c', 'kwargs'}),
        (Bare, set()),
        (Foreign, None),
        (nn.Linear, {*'in_features out_features bias device dtype'.split()}),
        (CheckpointHook, None),
    ],
)
def test_arguments(cls, expected):
    assert arguments(cls) == expected


def test_arguments_of_a_mixin_come_from_its_parents():
    known = arguments(LinearLR)
    assert known is not None and 'start_factor' in known


@pytest.mark.parametrize(
    ('kind', 'scope', 'module'),
    [
        ('SlotVideoModel', 'slotkd', 'slotkd.models.video.slot_model'),
        ('slotkd.SlotVideoModel', 'mmseg', 'slotkd.models.video.slot_model'),
        ('Adam', 'slotkd', 'torch.optim.adam'),
        ('mmseg.FCNHead', 'slotkd', 'mmseg.models.decode_heads.fcn_head'),
        ('FCNHead', 'mmseg', 'mmseg.models.decode_heads.fcn_head'),
        ('pseudo_collate', 'slotkd', 'mmengine.dataset.utils'),
    ],
)
def test_find_classes(kind, scope, module):
    assert module in {cls.__module__ for cls in find_classes(kind, scope)}


@pytest.mark.parametrize('kind', ['FCNHead', 'mmseg.Nothing', 'no.such.path'])
def test_unknown_types_are_not_found(kind):
    assert find_classes(kind, 'slotkd') == []


def test_unregistered_suggests():
    told = unregistered('SlotMatchLos', 'slotkd')
    assert "not registered in 'slotkd'; did you mean 'SlotMatchLoss'?" in told


def test_hint_and_nearest():
    assert hint('slot_dm', ['slot_dim', 'x']) == "; did you mean 'slot_dim'?"
    assert hint('zzz', ['slot_dim']) == ''
    assert nearest('crop_size', ['load_from']) is None
