"""Feature regression of maps: value, projection, slot maps, gradient."""

import pytest
import torch

from slotkd.models.losses import MapDistillLoss, feature_distill_loss
from tests.segmentors import record


def test_is_the_mean_squared_difference():
    student = record()
    student.feats[-1].requires_grad_()
    near = record(feats=(student.feats[0], student.feats[1].detach() + 3))
    loss = MapDistillLoss()
    assert loss(student, near).item() == pytest.approx(9, rel=1e-5)
    equal = loss(student, student)
    equal.backward()
    assert equal == 0 and not student.feats[-1].grad.any()


def test_a_shuffled_teacher_raises_it():
    student = record()
    near = record(feats=tuple(x + 0.1 for x in student.feats))
    far = record(feats=tuple(x.flip(3) for x in near.feats))
    loss = MapDistillLoss(student_index=0, teacher_index=0)
    assert loss(student, far) > loss(student, near)


def test_gradient_reaches_student_and_projection_only():
    student = record(feats=(torch.randn(2, 6, 4, 6, requires_grad=True),))
    teacher = record(feats=(torch.randn(2, 9, 2, 3, requires_grad=True),))
    loss = MapDistillLoss(student_channels=6, teacher_channels=9)
    loss(student, teacher).backward()
    assert student.feats[0].grad.any() and loss.pair.proj.weight.grad.any()
    assert teacher.feats[0].grad is None


def test_maps_of_a_slot_teacher():
    slots = torch.randn(2, 16, 5, 7)
    loss = MapDistillLoss(
        'slot_maps', student_index=1, student_channels=8, teacher_channels=16
    )
    assert loss.fields == ('feats',)
    assert loss.teacher_fields == ('slot_maps',)
    student = record()
    ours, theirs = loss.pair(student, record(slot_maps=(slots,)))
    expected = feature_distill_loss(
        ours.flatten(2).mT[:, None], theirs.flatten(2).mT[:, None]
    )
    value = loss(student, record(slot_maps=(slots,)))
    torch.testing.assert_close(value, expected)
    assert value.isfinite() and value > 0


def test_half_precision_is_lifted():
    student = record(dtype=torch.bfloat16)
    assert MapDistillLoss()(student, record()).dtype == torch.float32


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match='8 channels in feats, the teacher 9'):
        MapDistillLoss()(record(), record(channels=(6, 9)))
    with pytest.raises(ValueError, match="source='recon'"):
        MapDistillLoss('recon')
