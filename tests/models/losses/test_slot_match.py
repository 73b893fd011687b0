"""SlotMatch: values, pairing, gradients, and configs that do not fit."""

import pytest
import torch

from slotkd.models.losses import (
    SlotMatchLoss,
    align_slots,
    slot_match,
    slot_match_loss,
)
from slotkd.ops.matching import hungarian_match
from slotkd.structures import SlotOutput


def record(slots):
    b, t, k, _ = slots.shape
    return SlotOutput(
        slots=slots,
        slots_init=slots[:, 0],
        attn_logits=torch.zeros(b, t, k, 4),
        feats=torch.zeros(b, t, 4, 3),
        tokens=torch.zeros(b, t, 4, 5),
        grid=(2, 2),
    )


@pytest.fixture
def slots():
    torch.manual_seed(5)
    return torch.randn(2, 3, 4, 8)


def test_identical_orthogonal_opposite(slots):
    e1, e2 = torch.eye(2).reshape(2, 1, 1, 1, 2)
    assert float(slot_match_loss(e1, e2)) == pytest.approx(1)
    assert float(slot_match_loss(e1, -e1)) == pytest.approx(2)
    student = slots.clone().requires_grad_()
    loss = slot_match_loss(student, slots)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert student.grad.abs().max() < 1e-6


def test_what_changes_it(slots):
    noisy = slots + 0.1 * torch.randn_like(slots)
    loss = slot_match_loss(noisy, slots)
    torch.testing.assert_close(slot_match_loss(3 * noisy, 0.2 * slots), loss)
    assert slot_match_loss(noisy, slots.flip(2)) > loss


def test_gradient_reaches_the_student_only(slots):
    student = slots.flip(2).requires_grad_()
    teacher = slots.clone().requires_grad_()
    slot_match_loss(student, teacher).backward()
    assert student.grad.any() and teacher.grad is None


@pytest.mark.parametrize('scope', ['clip', 'frame'])
def test_hungarian_undoes_a_permutation(slots, scope):
    order = torch.tensor([2, 0, 3, 1])
    loss = SlotMatchLoss(8, 8, match='hungarian', match_scope=scope)
    shuffled = record(slots[:, :, order])
    assert float(loss(record(slots), shuffled)) == pytest.approx(0, abs=1e-6)
    assert float(SlotMatchLoss(8, 8)(record(slots), shuffled)) > 0.1


def test_one_permutation_per_clip_or_per_frame(slots):
    orders = [torch.randperm(4) for _ in range(3)]
    shuffled = torch.stack(
        [slots[:, t][:, order] for t, order in enumerate(orders)], dim=1
    )
    for scope, meets in (('frame', True), ('clip', False)):
        loss = SlotMatchLoss(8, 8, match='hungarian', match_scope=scope)
        value = float(loss(record(slots), record(shuffled)))
        assert (value < 1e-5) == meets


@pytest.mark.parametrize(('scope', 'solved'), [('clip', 2), ('frame', 6)])
def test_solves_one_assignment_per_clip_or_frame(
    slots, monkeypatch, scope, solved
):
    seen = []

    def counting(score):
        seen.append(len(score))
        return hungarian_match(score)

    monkeypatch.setattr(slot_match, 'hungarian_match', counting)
    paired = align_slots(slots[:, :, :3], slots.flip(2), scope=scope)
    assert seen == [solved]
    torch.testing.assert_close(*paired)


@pytest.mark.parametrize(('k', 'm'), [(4, 2), (2, 4)])
def test_unequal_counts_pair_the_smaller_one(slots, k, m):
    paired = align_slots(slots[:, :, :k], slots[:, :, -m:])
    assert paired[0].shape == paired[1].shape == (2, 3, 2, 8)
    if k > m:
        # The student's slots 2 and 3 are the teacher's: all pairs are met.
        torch.testing.assert_close(paired[0], paired[1])


def test_widths_are_bridged_by_an_owned_projection(slots):
    loss = SlotMatchLoss(8, 6)
    value = loss(record(slots), record(slots[..., :6]))
    value.backward()
    assert loss.proj.weight.shape == (6, 8) and loss.proj.weight.grad.any()
    assert not list(SlotMatchLoss(8, 8).parameters())


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_zero_slots_stay_finite(dtype):
    slots = torch.zeros(1, 1, 1, 8, dtype=dtype, requires_grad=True)
    loss = slot_match_loss(slots, torch.zeros_like(slots))
    loss.backward()
    assert loss.isfinite() and slots.grad.isfinite().all()


def test_refuses_what_does_not_fit(slots):
    with pytest.raises(ValueError, match='student has 4 slots.* has 3'):
        SlotMatchLoss(8, 8)(record(slots), record(slots[:, :, :3]))
    for dims, side in (((6, 8), 'student'), ((8, 6), 'teacher')):
        message = f"^{side}_dim is 6, but the {side}'s slots has width 8$"
        with pytest.raises(ValueError, match=message):
            SlotMatchLoss(*dims)(record(slots), record(slots))
    with pytest.raises(ValueError, match="match='order' is not one of"):
        SlotMatchLoss(8, 8, match='order')
    with pytest.raises(ValueError, match="^scope='video' is not one of"):
        align_slots(slots, slots, scope='video')
    with pytest.raises(ValueError, match="match_scope='video' is not"):
        SlotMatchLoss(8, 8, match_scope='video')
