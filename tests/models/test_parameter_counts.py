"""The shipped SlotContrast models have exactly the official sizes.

Counted in martius-lab/slotcontrast@17b42b05, with DINOv2's class token,
1370 positions and final norm.
"""

import pytest
import torch
from mmengine.config import Config

from slotkd.registry import MODELS

PARTS = (
    'backbone',
    'neck',
    'corrector',
    'predictor',
    'decoder',
    'initializer',
)
VIT_B, VIT_S = 86_579_712, 22_056_192
COUNTS = {
    'b14_ytvis': (VIT_B, 1_281_088, 70_720, 49_984, 3_041_601, 448),
    's14_ytvis': (VIT_S, 345_664, 70_720, 49_984, 2_648_001, 448),
    'b14_movi_e': (VIT_B, 1_379_456, 280_704, 198_272, 3_093_249, 1_920),
    's14_movi_e': (VIT_S, 394_880, 280_704, 198_272, 2_699_649, 1_920),
    's14_movi_c': (VIT_S, 345_664, 70_720, 49_984, 2_597_249, 704),
}
TOTALS = {
    'b14_ytvis': 91_023_553,
    's14_ytvis': 25_171_009,
    'b14_movi_e': 91_533_313,
    's14_movi_e': 25_631_617,
    's14_movi_c': 25_120_513,
}


@pytest.fixture
def counted(repo):
    """Return a function from a base's short name to its counts."""

    def count(name):
        stem = f'slot_dinov2_{name}'
        path = repo / 'configs' / '_base_' / 'models' / f'{stem}.py'
        config = Config.fromfile(path)[stem]
        config.backbone.update(init_cfg=None, allow_random=True)
        with torch.device('meta'):
            model = MODELS.build(config)
        counts = {part: size(getattr(model, part)) for part in PARTS}
        return counts, size(model)

    return count


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize('name', COUNTS)
def test_each_part_has_the_official_size(counted, name):
    counts, total = counted(name)
    assert counts == dict(zip(PARTS, COUNTS[name], strict=True))
    assert total == sum(COUNTS[name]) == TOTALS[name]


def test_every_dinov2_base_is_counted(repo):
    bases = (repo / 'configs' / '_base_' / 'models').glob('slot_dinov2_*.py')
    stems = {path.stem.removeprefix('slot_dinov2_') for path in bases}
    # The official counts of SSync's COCO model are not published.
    assert stems - {'s14_coco'} == COUNTS.keys()


@pytest.mark.parametrize(
    ('data', 'ratio'), [('ytvis', 3.62), ('movi_e', 3.57)]
)
def test_a_teacher_is_3_6_times_its_student(counted, data, ratio):
    _, teacher = counted(f'b14_{data}')
    _, student = counted(f's14_{data}')
    assert round(teacher / student, 2) == ratio
