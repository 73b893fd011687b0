"""Mask distillation: optimum, reference, grids, choices."""

import pytest
import torch

from slotkd.models.losses import MaskDistillLoss, mask_distill_loss
from tests import tiny


@pytest.fixture
def logits():
    torch.manual_seed(2)
    return torch.randn(2, 1, 2, 3, 6, dtype=torch.float64)


def test_equal_maps_give_zero_and_no_gradient(logits):
    student = logits[0].clone().requires_grad_()
    # A shift of all slots alike changes no map.
    loss = mask_distill_loss(student, logits[0] + 1, temperature=2.0)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert student.grad.abs().max() < 1e-12


def test_equals_a_double_loop(logits):
    student, teacher = logits
    total = 0.0
    for t in range(2):
        for n in range(6):
            p = torch.softmax(teacher[0, t, :, n] / 3, 0)
            q = torch.softmax(student[0, t, :, n] / 3, 0)
            total += float((p * (p / q).log()).sum())
    value = mask_distill_loss(student, teacher, temperature=3.0)
    assert value.item() == pytest.approx(9 * total / 12)


def test_what_changes_it(logits):
    student, teacher = logits
    near = teacher + 0.1 * student
    loss = mask_distill_loss(near, teacher)
    order = torch.tensor([2, 0, 1])
    shuffled = mask_distill_loss(near[:, :, order], teacher[:, :, order])
    torch.testing.assert_close(shuffled, loss)
    assert mask_distill_loss(near, teacher[:, :, order]) > loss


def test_gradient(logits):
    student, teacher = logits[0].requires_grad_(), logits[1].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: mask_distill_loss(s, teacher), student
    )
    loss = mask_distill_loss(student, teacher)
    assert torch.autograd.grad(loss, teacher, allow_unused=True)[0] is None


@pytest.mark.parametrize('source', ['masks', 'attn'])
def test_grids_may_differ(source):
    clips = tiny.clips()
    small = tiny.build(tiny.slot_model())
    backbone = dict(type='PatchPixels', patch_size=8, cells=2)
    large = tiny.build(tiny.slot_model(grid=(2, 3), backbone=backbone))
    loss = MaskDistillLoss(source)
    value = loss(small(clips), large(clips))
    value.backward()
    assert value > 0
    assert loss.teacher_fields == (
        ('mask_logits',) if source == 'masks' else ('attn_logits',)
    )


def test_one_slot_stays_finite():
    logits = torch.zeros(1, 1, 1, 4, dtype=torch.bfloat16, requires_grad=True)
    loss = mask_distill_loss(logits, logits)
    loss.backward()
    assert loss == 0 and logits.grad.isfinite().all()


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="source='slots' is not one of"):
        MaskDistillLoss('slots')
    clips = tiny.clips()
    records = [tiny.build(tiny.slot_model(num_slots=k))(clips) for k in (4, 3)]
    with pytest.raises(ValueError, match='student has 4 slots.* has 3'):
        MaskDistillLoss()(*records)
