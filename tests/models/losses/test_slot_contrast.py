"""Slot contrast: golden numbers, invariances, degenerate clips."""

import math

import pytest
import torch

from slotkd.models.losses import SlotContrastLoss, slot_contrast_loss
from tests import golden


def test_constant_orthonormal_slots():
    slots = torch.eye(4, dtype=torch.float64).repeat(1, 3, 1, 1)
    loss = slot_contrast_loss(slots)
    assert float(loss) == pytest.approx(1.36190515e-4, abs=1e-11)
    # The same four slots as two clips of two: the batch is one pool.
    two_clips = slots.reshape(3, 2, 2, 4).transpose(0, 1)
    assert float(slot_contrast_loss(two_clips)) == pytest.approx(float(loss))


@pytest.mark.parametrize(
    ('direction', 'expected'),
    [
        ('next_to_prev', 0.69314718),
        ('prev_to_next', 5.00004540),
        ('both', (0.69314718 + 5.00004540) / 2),
    ],
)
def test_direction(direction, expected):
    e1, e2 = torch.eye(2, dtype=torch.float64)
    slots = torch.stack([torch.stack([e1, e1]), torch.stack([e1, e2])])
    loss = slot_contrast_loss(slots[None], direction=direction)
    assert float(loss) == pytest.approx(expected, abs=1e-8)


@pytest.mark.data
@pytest.mark.parametrize(
    ('scope', 'name'), [('batch', 'loss_ss'), ('video', 'loss_ss_intra')]
)
def test_equals_the_official_loss(scope, name, shared):
    arrays = golden.load(shared, 'slotcontrast_tiny')
    loss = slot_contrast_loss(torch.as_tensor(arrays['slots']), scope=scope)
    assert float(loss) == pytest.approx(float(arrays[name]), abs=1e-5)


def test_equals_a_double_loop():
    torch.manual_seed(3)
    slots = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    unit = slots / slots.norm(dim=-1, keepdim=True)
    unit = unit.transpose(0, 1).flatten(1, 2)
    total = 0.0
    for t in range(2):
        for j in range(8):
            row = [float(unit[t, i] @ unit[t + 1, j]) / 0.1 for i in range(8)]
            total += math.log(sum(map(math.exp, row))) - row[j]
    assert float(slot_contrast_loss(slots)) == pytest.approx(total / 16)


def test_what_changes_it():
    slots = torch.randn(2, 3, 4, 5)
    loss = slot_contrast_loss(slots)
    order = torch.tensor([3, 1, 0, 2])
    torch.testing.assert_close(slot_contrast_loss(7 * slots), loss)
    torch.testing.assert_close(slot_contrast_loss(slots[:, :, order]), loss)
    steady = slots[:, :1].expand(-1, 3, -1, -1)
    shuffled = torch.stack(
        [steady[:, 0], steady[:, 1][:, order], steady[:, 2]], dim=1
    )
    assert slot_contrast_loss(shuffled) > slot_contrast_loss(steady)


def test_one_frame_gives_a_differentiable_zero():
    slots = torch.randn(2, 1, 4, 5, requires_grad=True)
    loss = slot_contrast_loss(slots)
    loss.backward()
    assert loss == 0 and not slots.grad.any()


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_degenerate_slots_stay_finite(dtype):
    slots = torch.zeros(1, 2, 1, 5, dtype=dtype, requires_grad=True)
    loss = slot_contrast_loss(slots)
    loss.backward()
    assert loss.isfinite() and slots.grad.isfinite().all()


def test_gradient():
    slots = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(slot_contrast_loss, slots)


@pytest.mark.parametrize('options', [dict(scope='clip'), dict(direction='x')])
def test_refuses_unknown_choices(options):
    ((name, value),) = options.items()
    message = f'^{name}={value!r} is not one of'
    with pytest.raises(ValueError, match=message):
        SlotContrastLoss(**options)
    with pytest.raises(ValueError, match=message):
        slot_contrast_loss(torch.randn(1, 1, 2, 4), **options)
