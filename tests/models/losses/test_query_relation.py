"""InfoNCE over the teacher's queries: values, counted queries, gradients."""

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.losses import QueryRelationLoss, query_relation_loss
from slotkd.ops.query_association import QueryPairs
from tests.query_records import boxes, perfect_student, perfect_teacher


def pairs(clips, queries) -> QueryPairs:
    count = len(clips)
    zeros = torch.zeros(count).long()
    return QueryPairs(
        clip=torch.tensor(clips, dtype=torch.long),
        frame=zeros,
        query=zeros,
        teacher_query=torch.tensor(queries, dtype=torch.long),
        weight=torch.ones(count),
        label=zeros,
    )


@pytest.fixture
def teacher():
    torch.manual_seed(2)
    return torch.randn(2, 5, 4, dtype=torch.float64)


def test_value_of_a_slow_loop(teacher):
    student = torch.randn(2, 4, dtype=torch.float64)
    chosen = pairs([0, 1], [3, 1])
    loss = query_relation_loss(student, teacher, chosen, temperature=0.5)
    values = []
    for z, clip, u in zip(student, (0, 1), (3, 1), strict=True):
        logits = F.cosine_similarity(z[None], teacher[clip]) / 0.5
        values.append(-logits.log_softmax(dim=0)[u])
    torch.testing.assert_close(loss, torch.stack(values).mean())


def test_without_rejected_queries_one_pair_per_clip_costs_nothing(teacher):
    student = torch.randn(2, 4, dtype=torch.float64)
    loss = query_relation_loss(
        student, teacher, pairs([0, 1], [3, 1]), num_rejected=0
    )
    assert loss.item() == pytest.approx(0, abs=1e-12)
    two = query_relation_loss(
        student, teacher, pairs([0, 0], [3, 1]), num_rejected=0
    )
    assert two > 0.01


def test_a_common_shift_does_not_help(teacher):
    """Unlike the cosine, which falls when all embeddings turn one way."""
    chosen = pairs([0, 0, 0], [0, 1, 2])
    own = teacher[0, :3]
    common = teacher[0].mean(dim=0).expand(3, -1)
    value = query_relation_loss(common, teacher, chosen)
    assert value > query_relation_loss(own, teacher, chosen) + 0.5


def test_gradient_is_exact_and_the_students_alone(teacher):
    student = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    teacher.requires_grad_()
    chosen = pairs([0, 1], [3, 1])
    assert torch.autograd.gradcheck(
        lambda s: query_relation_loss(s, teacher, chosen), student
    )
    query_relation_loss(student, teacher, chosen).backward()
    assert student.grad.any() and teacher.grad is None


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_degenerate_input(teacher, dtype):
    student = torch.zeros(1, 4, dtype=dtype, requires_grad=True)
    loss = query_relation_loss(student, teacher.to(dtype), pairs([1], [1]))
    loss.backward()
    assert loss.isfinite() and student.grad.isfinite().all()
    empty = torch.zeros(0, 4, requires_grad=True)
    loss = query_relation_loss(empty, teacher.float(), pairs([], []))
    loss.backward()
    assert loss.item() == 0


def test_module_joins_records():
    truth = boxes([[0, 2], [1]])
    records = perfect_student(truth), perfect_teacher(truth)
    loss = QueryRelationLoss(8, 8, qfa=dict(min_cells=4))
    value = loss(*records)
    value.backward()
    assert value > 0.5 and all(p.grad.any() for p in loss.parameters())
    with pytest.raises(ValueError, match='temperature must be > 0, got 0'):
        QueryRelationLoss(8, 8, temperature=0)
