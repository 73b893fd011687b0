"""Slot regression: values, optimum, gradient, choices."""

import pytest
import torch

from slotkd.models.losses import SlotRegressionLoss, slot_regression_loss

DISTANCES = ['mse', 'kl']


@pytest.fixture
def slots():
    torch.manual_seed(2)
    return torch.randn(2, 1, 2, 3, 5, dtype=torch.float64)


@pytest.mark.parametrize('distance', DISTANCES)
def test_equal_slots_give_zero_and_no_gradient(slots, distance):
    student = slots[0].clone().requires_grad_()
    loss = slot_regression_loss(student, slots[0], distance=distance)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert student.grad.abs().max() < 1e-12


def test_hand_computed():
    student, teacher = torch.tensor([[0.0, 1.0], [2.0, 1.0]])
    pair = [s.view(1, 1, 1, 2).double() for s in (student, teacher)]
    assert slot_regression_loss(*pair).item() == pytest.approx(2.0)
    p = torch.softmax(teacher.double(), 0)
    q = torch.softmax(student.double(), 0)
    expected = (p * (p / q).log()).sum().item()
    value = slot_regression_loss(*pair, distance='kl').item()
    assert value == pytest.approx(expected)


@pytest.mark.parametrize('distance', DISTANCES)
def test_what_changes_it(slots, distance):
    student, teacher = slots
    near = teacher + 0.1 * student
    loss = slot_regression_loss(near, teacher, distance=distance)
    assert (
        slot_regression_loss(near, teacher.flip(2), distance=distance) > loss
    )
    # Unlike the cosine, both see the length of a slot.
    longer = slot_regression_loss(3 * teacher, teacher, distance=distance)
    assert longer > 0.01


@pytest.mark.parametrize('distance', DISTANCES)
def test_gradient(slots, distance):
    student, teacher = slots[0].requires_grad_(), slots[1].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: slot_regression_loss(s, teacher, distance=distance), student
    )
    loss = slot_regression_loss(student, teacher, distance=distance)
    assert torch.autograd.grad(loss, teacher, allow_unused=True)[0] is None


@pytest.mark.parametrize('distance', DISTANCES)
def test_half_precision_stays_finite(distance):
    slots = torch.zeros(1, 1, 1, 4, dtype=torch.bfloat16, requires_grad=True)
    loss = slot_regression_loss(slots, slots + 1, distance=distance)
    loss.backward()
    assert loss.isfinite() and slots.grad.isfinite().all()


def test_refuses_an_unknown_distance():
    slots = torch.randn(1, 1, 2, 4)
    message = "distance='l1' is not one of 'mse', 'kl'"
    with pytest.raises(ValueError, match=message):
        slot_regression_loss(slots, slots, distance='l1')
    with pytest.raises(ValueError, match=message):
        SlotRegressionLoss(4, 4, distance='l1')
