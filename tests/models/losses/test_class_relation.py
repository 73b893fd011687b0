"""Relations of classes: optimum, reference, response, degenerate maps."""

import numpy as np
import pytest
import torch

from slotkd.models.losses import ClassRelationLoss, class_relation_loss
from tests.segmentors import record

F64 = torch.float64


@pytest.fixture
def logits():
    return torch.randn(2, 2, 4, 3, 5, dtype=F64)


def test_equal_maps_are_the_optimum(logits):
    student = logits[0].clone().requires_grad_()
    loss = class_relation_loss(student, logits[0] + 1)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert student.grad.abs().max() < 1e-12


@pytest.mark.parametrize('weights', [(1.0, 0.0), (0.0, 1.0), (2.0, 0.5)])
def test_equals_numpy(logits, weights):
    student, teacher = (
        x.softmax(1).movedim(1, 0).flatten(1).numpy() for x in logits
    )
    inter = [
        1 - np.corrcoef(a, b)[0, 1]
        for a, b in zip(student.T, teacher.T, strict=True)
    ]
    intra = [
        1 - np.corrcoef(a, b)[0, 1]
        for a, b in zip(student, teacher, strict=True)
    ]
    beta, gamma = weights
    loss = class_relation_loss(*logits, beta=beta, gamma=gamma)
    expected = beta * np.mean(inter) + gamma * np.mean(intra)
    assert loss.item() == pytest.approx(expected)


def test_pixels_that_do_not_count_change_nothing(logits):
    student, teacher = logits
    valid = torch.rand(2, 3, 5) < 0.6
    loss = class_relation_loss(student, teacher, valid=valid)
    other = student.where(valid[:, None], 50 * torch.randn_like(student))
    torch.testing.assert_close(
        class_relation_loss(other, teacher, valid=valid), loss
    )
    assert class_relation_loss(other, teacher) != loss
    cut = [
        x.movedim(1, 3)[valid].T[None, :, :, None] for x in (student, teacher)
    ]
    torch.testing.assert_close(class_relation_loss(*cut), loss)


def test_response(logits):
    student, teacher = logits
    near = teacher + 0.1 * student
    loss = class_relation_loss(near, teacher)
    order = torch.tensor([2, 0, 3, 1])
    same = class_relation_loss(near[:, order], teacher[:, order])
    torch.testing.assert_close(same, loss)
    assert class_relation_loss(near, teacher[:, order]) > loss
    assert class_relation_loss(near, teacher.flip(3)) > loss


def test_gradient(logits):
    student, teacher = logits[0].requires_grad_(), logits[1].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: class_relation_loss(s, teacher), student
    )
    loss = class_relation_loss(student, teacher)
    assert torch.autograd.grad(loss, teacher, allow_unused=True)[0] is None


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_constant_maps_and_no_pixels_are_connected_zeros(dtype):
    student = torch.zeros(1, 4, 3, 3, dtype=dtype, requires_grad=True)
    teacher = torch.randn(1, 4, 3, 3).to(dtype)
    none = torch.zeros(1, 3, 3, dtype=torch.bool)
    for valid in (None, none):
        loss = class_relation_loss(student, teacher, valid=valid)
        loss.backward()
        assert loss == 0 and student.grad.isfinite().all()


def test_the_rank_of_two_classes_has_no_gradient():
    student = torch.randn(1, 1, 3, 3, requires_grad=True)
    teacher = torch.randn(1, 1, 3, 3)
    class_relation_loss(student, teacher, gamma=0.0).backward()
    assert student.grad.abs().max() < 1e-5
    class_relation_loss(student, teacher, beta=0.0).backward()
    assert student.grad.abs().max() > 1e-3


def test_module_reads_logits_and_labels():
    student, teacher = record(), record(grid=(8, 12))
    labels = torch.zeros(2, 8, 12, dtype=torch.long)
    labels[:, 4:] = 255
    loss = ClassRelationLoss(2.0, 0.5)
    value = loss(record(logits=student.logits, labels=labels), teacher)
    resized = loss.pair(student, teacher)[1]
    expected = class_relation_loss(
        student.logits[:, :, :2], resized[:, :, :2], beta=2.0, gamma=0.5
    )
    torch.testing.assert_close(value, expected)
    with pytest.raises(ValueError, match='5 channels in logits, the .* 4'):
        loss(record(), record(num_classes=4))
