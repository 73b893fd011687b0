"""Channel-wise distillation: optimum, reference, response, gradient."""

import pytest
import torch

from slotkd.models.losses import ChannelDistillLoss, channel_distill_loss
from tests.segmentors import record

F64 = torch.float64


@pytest.fixture
def maps():
    return torch.randn(2, 2, 3, 4, 5, dtype=F64)


def test_equal_maps_are_the_optimum(maps):
    student = maps[0].clone().requires_grad_()
    offset = torch.randn(2, 3, 1, 1, dtype=F64)
    loss = channel_distill_loss(student, maps[0] + offset)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert student.grad.abs().max() < 1e-12


def test_equals_a_double_loop(maps):
    student, teacher = maps
    total = 0.0
    for b in range(2):
        for c in range(3):
            p = torch.softmax(teacher[b, c].flatten() / 4, 0)
            q = torch.softmax(student[b, c].flatten() / 4, 0)
            total += float((p * (p / q).log()).sum())
    loss = channel_distill_loss(student, teacher, temperature=4.0)
    assert loss.item() == pytest.approx(16 * total / 6)


def test_response(maps):
    student, teacher = maps
    near = teacher + 0.1 * student
    loss = channel_distill_loss(near, teacher)
    places = torch.randperm(20)
    moved = (
        x.flatten(2)[..., places].unflatten(2, (4, 5)) for x in (near, teacher)
    )
    torch.testing.assert_close(channel_distill_loss(*moved), loss)
    assert channel_distill_loss(near, teacher.flip(1)) > loss
    assert channel_distill_loss(near, teacher.flip(3)) > loss


def test_gradient(maps):
    student, teacher = maps[0].requires_grad_(), maps[1].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: channel_distill_loss(s, teacher), student
    )
    loss = channel_distill_loss(student, teacher)
    assert torch.autograd.grad(loss, teacher, allow_unused=True)[0] is None


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_constant_channels_and_single_pixels_stay_finite(dtype):
    for shape in ((1, 2, 3, 3), (1, 2, 1, 1)):
        student = torch.zeros(shape, dtype=dtype, requires_grad=True)
        loss = channel_distill_loss(student, torch.randn(shape).to(dtype))
        loss.backward()
        assert loss.isfinite() and student.grad.isfinite().all()


def test_any_level_can_be_distilled():
    student, teacher = record(), record(channels=(12, 16), grid=(8, 12))
    loss = ChannelDistillLoss(
        'feats',
        student_index=0,
        teacher_index=1,
        student_channels=6,
        teacher_channels=16,
    )
    value = loss(student, teacher)
    value.backward()
    assert value > 0 and loss.pair.proj.weight.grad.any()
    assert loss.fields == loss.teacher_fields == ('feats',)
    logits = ChannelDistillLoss()
    assert logits.fields == logits.teacher_fields == ('logits',)
    torch.testing.assert_close(
        logits(student, record(logits=student.logits)), torch.tensor(0.0)
    )


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match='temperature must be above 0'):
        ChannelDistillLoss(temperature=-1)
    with pytest.raises(ValueError, match='5 channels in logits, the .* 4'):
        ChannelDistillLoss()(record(), record(num_classes=4))
