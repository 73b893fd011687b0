"""The divergence at pixels: optimum, reference, void, and mmseg's error."""

import pytest
import torch

from slotkd.models.losses import LogitDistillLoss, logit_distill_loss
from tests.segmentors import record

F64 = torch.float64


@pytest.fixture
def logits():
    return torch.randn(2, 2, 5, 3, 4, dtype=F64)


@pytest.mark.parametrize('temperature', [1.0, 4.0])
def test_equal_inputs_are_the_optimum(logits, temperature):
    """What mmsegmentation's own KLDivLoss fails, see the next test."""
    student = logits[0].clone().requires_grad_()
    # Softmax ignores what all classes share.
    loss = logit_distill_loss(student, logits[0] + 2, temperature=temperature)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert student.grad.abs().max() < 1e-12


def test_mmsegs_own_divergence_fails_at_equal_inputs(logits):
    from mmseg.models.losses.kldiv_loss import KLDivLoss

    student = logits[0].clone().requires_grad_()
    loss = KLDivLoss()(student, logits[0]).mean()
    loss.backward()
    assert loss < -0.1
    assert student.grad.abs().max() > 1e-4


def test_descent_on_it_reaches_the_teacher(logits):
    student, teacher = logits
    student = student.clone().requires_grad_()
    optimizer = torch.optim.Adam([student], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        logit_distill_loss(student, teacher, temperature=2.0).backward()
        optimizer.step()
    torch.testing.assert_close(
        student.softmax(1), teacher.softmax(1), rtol=0, atol=1e-3
    )


def test_equals_a_double_loop(logits):
    student, teacher = logits
    valid = torch.rand(2, 3, 4) < 0.6
    total = count = 0
    for b, y, x in valid.nonzero().tolist():
        p = torch.softmax(teacher[b, :, y, x] / 3, 0)
        q = torch.softmax(student[b, :, y, x] / 3, 0)
        total += float((p * (p / q).log()).sum())
        count += 1
    value = logit_distill_loss(student, teacher, temperature=3.0, valid=valid)
    assert value.item() == pytest.approx(9 * total / count)


def test_the_temperature_keeps_the_size_of_gradients():
    """In the limit the gradient is that of half the squared difference."""
    student, teacher = torch.randn(2, 1, 6, 1, 1, dtype=F64)
    student.requires_grad_()
    logit_distill_loss(student, teacher, temperature=1e4).backward()
    difference = (student - teacher).detach()
    expected = (difference - difference.mean()) / 6
    torch.testing.assert_close(student.grad, expected, rtol=1e-3, atol=1e-4)


def test_response(logits):
    student, teacher = logits
    near = teacher + 0.1 * student
    loss = logit_distill_loss(near, teacher)
    order = torch.tensor([4, 0, 3, 1, 2])
    shuffled = logit_distill_loss(near[:, order], teacher[:, order])
    torch.testing.assert_close(shuffled, loss)
    assert logit_distill_loss(near, teacher[:, order]) > loss


def test_gradient(logits):
    student, teacher = logits[0].requires_grad_(), logits[1].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: logit_distill_loss(s, teacher, temperature=2.0), student
    )
    loss = logit_distill_loss(student, teacher)
    assert torch.autograd.grad(loss, teacher, allow_unused=True)[0] is None


def test_pixels_without_a_label_do_not_count():
    student, teacher = record(), record()
    labels = torch.zeros(2, 8, 12, dtype=torch.long)
    labels[:, :, 6:] = 255
    wrong = student.logits.clone()
    wrong[..., 3:] += 100 * torch.randn_like(wrong[..., 3:])
    loss = LogitDistillLoss()
    halves = [
        loss(record(logits=x, labels=labels), teacher)
        for x in (student.logits, wrong)
    ]
    torch.testing.assert_close(halves[0], halves[1])
    every = LogitDistillLoss(ignore_index=None)
    assert every(record(logits=wrong, labels=labels), teacher) > 1


def test_no_label_at_all_is_a_connected_zero():
    student = record()
    student.logits.requires_grad_()
    void = record(
        logits=student.logits,
        labels=torch.full((2, 8, 12), 255, dtype=torch.long),
    )
    loss = LogitDistillLoss()(void, record())
    loss.backward()
    assert loss == 0 and not student.logits.grad.any()


def test_a_binary_head_is_compared_by_its_sigmoid():
    student, teacher = torch.randn(2, 1, 1, 2, 3, dtype=F64)
    p, q = teacher.sigmoid(), student.sigmoid()
    expected = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    loss = logit_distill_loss(student, teacher)
    torch.testing.assert_close(loss, expected.mean())


def test_grids_may_differ_and_half_precision_stays_finite():
    loss = LogitDistillLoss(temperature=4.0)
    student = record(dtype=torch.bfloat16)
    student.logits.requires_grad_()
    value = loss(student, record(grid=(7, 5)))
    value.backward()
    assert value > 0 and value.dtype == torch.float32
    assert student.logits.grad.isfinite().all()


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match='5 channels in logits, the .* 4'):
        LogitDistillLoss()(record(), record(num_classes=4))
    with pytest.raises(ValueError, match='temperature must be above 0, got 0'):
        LogitDistillLoss(temperature=0)
