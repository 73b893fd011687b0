"""Class and mask terms: optimum, values, gradients, grids, misfits."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.losses import (
    QueryClassLoss,
    QueryMaskLoss,
    query_class_loss,
    query_mask_loss,
)
from tests.query_records import boxes, perfect_student, perfect_teacher

QFA = dict(min_cells=4)
WEIGHT = torch.tensor([1.0, 0.5, 0.25], dtype=torch.float64)


def draw(*shape):
    torch.manual_seed(4)
    return torch.randn(2, 3, *shape, dtype=torch.float64).unbind(0)


each_loss = pytest.mark.parametrize(
    ('loss', 'shape'), [(query_class_loss, (5,)), (query_mask_loss, (4, 6))]
)


@each_loss
def test_optimum_is_zero_and_stationary(loss, shape):
    teacher, _ = draw(*shape)
    student = teacher.clone().requires_grad_()
    value = loss(student, teacher, WEIGHT)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert student.grad.abs().max() < 1e-9


@each_loss
def test_gradient_is_exact_and_the_students_alone(loss, shape):
    student, teacher = (value.requires_grad_() for value in draw(*shape))
    assert torch.autograd.gradcheck(
        lambda s: loss(s, teacher, WEIGHT), student
    )
    value = loss(student, teacher, WEIGHT)
    value.backward()
    assert teacher.grad is None
    assert value > loss(teacher + 0.1 * student, teacher, WEIGHT) > 0


@each_loss
def test_degenerate_input(loss, shape):
    student = torch.zeros(0, *shape, requires_grad=True)
    value = loss(student, student.detach(), torch.ones(0))
    value.backward()
    assert value.item() == 0
    wide = torch.full((1, *shape), 80.0, dtype=torch.bfloat16)
    assert loss(wide, -wide, torch.ones(1)).isfinite()


def test_class_value():
    student, teacher = draw(5)
    expected = sum(
        w
        * 4
        * F.kl_div((s / 2).log_softmax(0), (t / 2).softmax(0), reduction='sum')
        for s, t, w in zip(student, teacher, WEIGHT, strict=True)
    )
    torch.testing.assert_close(
        query_class_loss(student, teacher, WEIGHT), expected / WEIGHT.sum()
    )


def test_mask_value():
    student, teacher = torch.tensor([[[2.0, -1.0]]]), torch.zeros(1, 1, 2)
    s = student.sigmoid().flatten()
    entropy = -(0.5 * s.log() + 0.5 * (1 - s).log()).mean()
    entropy -= torch.log(torch.tensor(2.0))
    dice = 1 - (s.sum() + 1) / (s.square().sum() + 0.5 + 1)
    torch.testing.assert_close(
        query_mask_loss(student, teacher, torch.ones(1)), entropy + dice
    )


@pytest.mark.parametrize('kind', [QueryClassLoss, QueryMaskLoss])
def test_modules_join_the_right_queries(kind):
    truth = boxes([[0, 2], [1]])
    order = torch.tensor([4, 2, 6, 0, 5, 1, 3])
    loss = kind(qfa=QFA)
    student = perfect_student(truth, order)
    teacher = perfect_teacher(truth)
    assert loss(student, teacher).item() == pytest.approx(0, abs=1e-4)
    poorer = dataclasses.replace(
        student,
        cls_logits=student.cls_logits / 10,
        mask_logits=student.mask_logits / 10,
    )
    assert loss(poorer, teacher) > 0.01


def test_masks_are_of_the_same_frame_on_the_students_grid():
    truth = boxes([[0, 2]])
    student, teacher = perfect_student(truth), perfect_teacher(truth)
    coarse = F.avg_pool3d(teacher.mask_logits, (1, 2, 2))
    loss = QueryMaskLoss(qfa=QFA)
    value = loss(student, dataclasses.replace(teacher, mask_logits=coarse))
    later = teacher.mask_logits.roll(1, dims=2)
    open_filter = QueryMaskLoss(qfa=QFA | dict(tube_iou_thr=0.1))
    shifted = dataclasses.replace(teacher, mask_logits=later)
    assert value < 0.5 * open_filter(student, shifted)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match='temperature must be > 0, got -1'):
        QueryClassLoss(-1)
    with pytest.raises(ValueError, match="'cosine' .* QueryMaskLoss has none"):
        QueryMaskLoss(qfa=dict(mode='cosine'))
