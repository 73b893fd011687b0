"""Relations between places: optimum, reference, response, gradient."""

import pytest
import torch

from slotkd.models.losses import PairwiseDistillLoss, pairwise_distill_loss
from slotkd.models.losses.pairwise_distill import place_similarity
from tests.segmentors import record

F64 = torch.float64


def test_equal_relations_are_the_optimum():
    """Channels may be rotated and scaled on one side."""
    student = torch.randn(2, 3, 4, 5, dtype=F64, requires_grad=True)
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=F64)).Q
    teacher = 3 * torch.einsum('dc,bchw->bdhw', rotation, student.detach())
    loss = pairwise_distill_loss(student, teacher)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-20)
    assert student.grad.abs().max() < 1e-12


def test_equals_a_double_loop():
    student = torch.randn(1, 3, 2, 2, dtype=F64)
    teacher = torch.randn(1, 5, 2, 2, dtype=F64)
    total = 0.0
    for i in range(4):
        for j in range(4):
            cosines = []
            for maps in (student, teacher):
                places = maps[0].flatten(1).T
                norms = places[i].norm() * places[j].norm()
                cosines.append(places[i] @ places[j] / norms)
            total += float((cosines[0] - cosines[1]) ** 2)
    loss = pairwise_distill_loss(student, teacher)
    assert loss.item() == pytest.approx(total / 16)


def test_places_are_averages():
    maps = torch.randn(1, 3, 4, 6)
    pooled = maps.unflatten(2, (2, 2)).unflatten(4, (3, 2)).mean((3, 5))
    torch.testing.assert_close(
        place_similarity(maps, (2, 3)), place_similarity(pooled, (2, 3))
    )
    assert place_similarity(maps, (9, 9)).shape == (1, 24, 24)


def test_response():
    student = torch.randn(2, 3, 4, 4)
    near = student + 0.1 * torch.randn_like(student)
    loss = pairwise_distill_loss(student, near)
    assert pairwise_distill_loss(student, near.flip(3)) > loss
    assert pairwise_distill_loss(student, torch.randn(2, 7, 9, 5)) > loss


def test_gradient():
    student = torch.randn(1, 2, 3, 3, dtype=F64, requires_grad=True)
    teacher = torch.randn(1, 4, 3, 3, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda s: pairwise_distill_loss(s, teacher), student
    )
    loss = pairwise_distill_loss(student, teacher)
    assert torch.autograd.grad(loss, teacher, allow_unused=True)[0] is None


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_zero_and_single_places_stay_finite(dtype):
    for shape in ((1, 2, 3, 3), (1, 2, 1, 1)):
        student = torch.zeros(shape, dtype=dtype, requires_grad=True)
        loss = pairwise_distill_loss(student, torch.randn(shape).to(dtype))
        loss.backward()
        assert loss.isfinite() and student.grad.isfinite().all()


def test_reads_the_named_maps():
    student = record()
    teacher = record(channels=(32,), slot_maps=(torch.randn(2, 4, 3, 5),))
    for source in ('feats', 'logits', 'slot_maps'):
        loss = PairwiseDistillLoss(source, nodes=(3, 3))
        assert loss(student, teacher) > 0
        assert loss.teacher_fields == (source,)
    assert not list(loss.parameters())


def test_refuses_what_does_not_fit():
    with pytest.raises(
        ValueError, match=r'rows and columns >= 1, got \(0, 4\)'
    ):
        PairwiseDistillLoss(nodes=(0, 4))
    with pytest.raises(ValueError, match="source='masks'"):
        PairwiseDistillLoss('masks')
    with pytest.raises(
        ValueError, match='teacher has 2 maps in feats, none at'
    ):
        PairwiseDistillLoss(teacher_index=3)(record(), record())
