"""Relations of objects and pixels: references, padding, absent objects."""

import numpy as np
import pytest
import torch

from slotkd.models.losses import ObjectRelationLoss, object_relation_loss
from slotkd.models.losses.relation_distill import (
    inter_object_loss,
    intra_object_loss,
)
from tests import vos

F64 = torch.float64
VOID = 255


def probs(objects=2, channels=11, pixels=50, seed=0, frames=2, spread=2.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.full((frames, channels, pixels), -1e10, dtype=F64)
    logits[:, : objects + 1] = spread * torch.randn(
        frames, objects + 1, pixels, generator=generator, dtype=F64
    )
    return logits.softmax(1)


def whole(values):
    return torch.ones(values.shape[0], values.shape[2], dtype=torch.bool)


def counts(values, objects=2):
    return torch.full((len(values),), objects)


def relation(student, teacher, objects=2, **options):
    return object_relation_loss(
        student, teacher, whole(student), counts(student, objects), **options
    )


def test_equal_inputs_give_zero_without_gradient():
    student = probs().requires_grad_()
    loss = relation(student, student.detach())
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-12)
    assert student.grad.abs().max() < 1e-7


def test_equals_loops_over_pixels_and_channels():
    student, teacher = probs(), probs(seed=1)
    inter = [
        1 - np.corrcoef(student[f, :, n], teacher[f, :, n])[0, 1]
        for f in range(2)
        for n in range(50)
    ]
    intra = [
        1 - np.corrcoef(student[f, o], teacher[f, o])[0, 1]
        for f in range(2)
        for o in range(3)
    ]
    value = relation(student, teacher, beta=2.0, gamma=3.0)
    expected = 2 * np.mean(inter) + 3 * np.mean(intra)
    assert float(value) == pytest.approx(expected)


def test_what_changes_it():
    student, teacher = probs(), probs(seed=1)
    valid, objects = whole(student), counts(student)
    inter = inter_object_loss(student, teacher, valid)
    pixel = torch.rand(2, 1, 50, dtype=F64) + 0.5
    other = inter_object_loss(pixel * student + pixel, teacher, valid)
    torch.testing.assert_close(other, inter)
    intra = intra_object_loss(student, teacher, valid, objects)
    channel = torch.rand(2, 11, 1, dtype=F64) + 0.5
    other = intra_object_loss(
        channel * student + channel, teacher, valid, objects
    )
    torch.testing.assert_close(other, intra)
    near = 0.9 * teacher + 0.1 * student
    assert relation(near, teacher) < relation(near, teacher.flip(2))


def test_gradient_reaches_the_student_only():
    student = probs(pixels=6).requires_grad_()
    teacher = probs(pixels=6, seed=1).requires_grad_()
    relation(student, teacher).backward()
    assert student.grad.any() and teacher.grad is None


def test_gradient_is_right():
    teacher = torch.randn(1, 11, 6, dtype=F64).softmax(1)
    logits = torch.randn(1, 11, 6, dtype=F64, requires_grad=True)
    torch.autograd.gradcheck(
        lambda x: relation(x.softmax(1), teacher, objects=10), logits
    )


@pytest.mark.parametrize(('objects', 'more'), [(1, True), (2, False)])
def test_padding_gives_one_object_a_gradient_and_lowers_the_others(
    objects, more
):
    """The specification's trap: two numbers correlate by 1 or -1."""
    norms = {}
    for channels in (objects + 1, 11):
        logits = torch.randn(1, objects + 1, 1000, dtype=F64)
        logits.requires_grad_()
        teacher = probs(objects, objects + 1, 1000, seed=1, frames=1)
        student = logits.softmax(1)
        loss = object_relation_loss(
            student,
            teacher,
            whole(student),
            counts(student, objects),
            gamma=0.0,
            num_channels=channels,
        )
        loss.backward()
        norms[channels] = float(logits.grad.norm())
    assert (norms[11] > 5 * norms[objects + 1]) == more
    if objects == 1:
        assert norms[2] < 1e-6
    assert 3e-3 < norms[11] < 3e-2


def test_an_absent_object_is_left_out():
    student, teacher = probs(), probs(seed=1)
    valid = whole(student)
    present = intra_object_loss(student, teacher, valid, counts(student, 1))
    for absent in (0.0, 1e-6 * torch.rand(2, 50, dtype=F64)):
        gone = teacher.clone()
        gone[:, 2] = absent
        value = intra_object_loss(student, gone, valid, counts(student))
        torch.testing.assert_close(value, present)
    assert value != intra_object_loss(student, teacher, valid, counts(student))


def test_void_pixels_do_not_count():
    student, teacher = probs(), probs(seed=1)
    valid = whole(student)
    valid[:, 30:] = False
    value = object_relation_loss(student, teacher, valid, counts(student))
    part = relation(student[..., :30], teacher[..., :30])
    torch.testing.assert_close(value, part)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_nothing_valid_or_constant_maps_stay_finite(dtype):
    uniform = torch.full((1, 11, 20), 1 / 11, dtype=dtype, requires_grad=True)
    teacher = probs(frames=1, pixels=20).to(dtype)
    for valid in (whole(teacher), ~whole(teacher)):
        loss = object_relation_loss(uniform, teacher, valid, counts(teacher))
        loss.backward()
        assert loss == 0 and uniform.grad.isfinite().all()


def test_the_term_leaves_the_reference_and_dropped_clips_out():
    student, teacher = vos.record(), vos.record(seed=1)
    loss = ObjectRelationLoss()
    value = loss(student, teacher)
    logits = student.logits.clone()
    logits[:, 0] = torch.randn(logits[:, 0].shape, dtype=F64)
    torch.testing.assert_close(loss(vos.record(logits=logits), teacher), value)
    labels = teacher.labels.clone()
    labels[1] = VOID
    kept = loss(student, vos.record(seed=1, labels=labels))
    one = loss(vos_clip(student), vos_clip(teacher))
    torch.testing.assert_close(kept, one)
    nothing = torch.full_like(labels, VOID)
    assert loss(student, vos.record(seed=1, labels=nothing)) == 0


def vos_clip(output):
    """Return the first clip of a record."""
    return vos.record(
        batch=1,
        logits=output.logits[:1],
        labels=output.labels[:1],
        num_objects=output.num_objects[:1],
    )


def test_maps_must_agree():
    with pytest.raises(ValueError, match=r'\(2, 3, 4, 9, 13\), teacher '):
        ObjectRelationLoss()(vos.record(), vos.record(grid=(4, 4)))
