"""The core term: values, class balance, gradients, empty clips, misfits."""

import dataclasses

import pytest
import torch
from mmengine.logging import MessageHub
from torch.nn import functional as F

from slotkd.models.losses import (
    LossTerms,
    QueryDistillLoss,
    query_distill_loss,
)
from slotkd.models.losses.query_distill import balanced_mean, query_projection
from tests.query_records import boxes, perfect_student, perfect_teacher

QFA = dict(min_cells=4)


@pytest.fixture
def paired():
    """Return embeddings of five pairs of three classes, and weights."""
    torch.manual_seed(1)
    student = torch.randn(5, 6, dtype=torch.float64)
    teacher = torch.randn(5, 6, dtype=torch.float64)
    weight = torch.tensor([1.0, 0.5, 0.2, 1.0, 0.3], dtype=torch.float64)
    return student, teacher, weight, torch.tensor([0, 0, 0, 2, 2])


def test_optimum_is_zero_and_stationary(paired):
    _, teacher, weight, label = paired
    for distance in ('cosine', 'l2', 'smooth_l1'):
        student = teacher.clone().requires_grad_()
        loss = query_distill_loss(
            student, teacher, weight, label, num_classes=4, distance=distance
        )
        loss.backward()
        assert loss.item() == pytest.approx(0, abs=1e-12)
        assert student.grad.abs().max() < 1e-12


def test_opposite_and_orthogonal():
    e1, e2 = torch.eye(2)[:, None]
    weight = torch.ones(1)
    assert query_distill_loss(e1, e2, weight).item() == pytest.approx(1)
    assert query_distill_loss(e1, -e1, weight).item() == pytest.approx(2)


def test_value_of_a_slow_loop(paired):
    student, teacher, weight, label = paired
    cosine = F.cosine_similarity(student, teacher)
    plain = (weight * (1 - cosine)).sum() / weight.sum()
    torch.testing.assert_close(
        query_distill_loss(student, teacher, weight), plain
    )
    classes = []
    for name in (0, 2):
        mine = label == name
        share = weight[mine] / weight[mine].sum()
        classes.append((share * (1 - cosine[mine])).sum())
    fair = query_distill_loss(student, teacher, weight, label, num_classes=4)
    torch.testing.assert_close(fair, torch.stack(classes).mean())


def test_cosine_is_half_the_squared_distance_of_unit_vectors(paired):
    student, teacher, weight, _ = paired
    units = F.normalize(student), F.normalize(teacher)
    squared = query_distill_loss(*units, weight, distance='l2') * 6
    cosine = query_distill_loss(student, teacher, weight)
    torch.testing.assert_close(cosine, squared / 2)


def test_what_changes_it(paired):
    student, teacher, weight, label = paired
    close = teacher + 0.1 * student

    def value(student, *others):
        return query_distill_loss(student, *others, num_classes=3)

    loss = value(close, teacher, weight, label)
    torch.testing.assert_close(
        value(3 * close, 0.2 * teacher, weight, label), loss
    )
    assert value(close, teacher.flip(0), weight, label) > loss
    # Twice as many pairs of one class change the plain mean only.
    twice = [torch.cat([v, v[label == 2]]) for v in paired]
    torch.testing.assert_close(
        value(*twice), value(student, teacher, weight, label)
    )
    plain = query_distill_loss(student, teacher, weight)
    assert not torch.isclose(query_distill_loss(*twice[:3]), plain)


def test_gradient_is_exact_and_the_students_alone(paired):
    student, teacher, weight, label = paired
    student.requires_grad_()
    teacher.requires_grad_()

    def value(student):
        return query_distill_loss(
            student, teacher, weight, label, num_classes=3
        )

    assert torch.autograd.gradcheck(value, student)
    value(student).backward()
    assert student.grad.any() and teacher.grad is None


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_degenerate_embeddings_stay_finite(dtype):
    student = torch.zeros(2, 3, dtype=dtype, requires_grad=True)
    loss = query_distill_loss(
        student, torch.zeros_like(student), torch.ones(2)
    )
    loss.backward()
    assert loss.isfinite() and student.grad.isfinite().all()


def test_no_pair_is_an_exact_zero():
    student = torch.randn(0, 3, requires_grad=True)
    loss = query_distill_loss(
        student, torch.randn(0, 3), torch.ones(0), torch.ones(0).long()
    )
    loss.backward()
    assert loss.item() == 0


def test_sums_of_weights_are_averaged_over_processes(monkeypatch):
    """Two processes of unequal load act like one batch."""
    values = torch.tensor([1.0, 2.0, 4.0])
    whole = balanced_mean(values, torch.ones(3))

    def as_if_two(total, op):
        assert op == 'mean'
        total.fill_(1.5)  # two pairs here, one there

    monkeypatch.setattr(
        'slotkd.models.losses.query_distill.all_reduce', as_if_two
    )
    shares = [balanced_mean(v, torch.ones(len(v))) for v in values.split(2)]
    torch.testing.assert_close(torch.stack(shares).mean(), whole)


def term(**options) -> QueryDistillLoss:
    return QueryDistillLoss(8, 6, **{'qfa': QFA} | options)


def records(labels=([0, 2], [1])):
    truth = boxes([list(clip) for clip in labels])
    return perfect_student(truth), perfect_teacher(truth, width=6)


def test_a_perfect_map_gives_zero():
    student, _ = records()
    teacher = perfect_teacher(student.targets)
    same = dataclasses.replace(
        student, embeds=teacher.embeds[:, None].expand(-1, 2, -1, -1)
    )
    loss = QueryDistillLoss(8, 8, projector='identity', qfa=QFA)
    assert loss(same, teacher)[''].item() == pytest.approx(0, abs=1e-6)
    assert loss(student, teacher)[''] > 0.1


def test_an_empty_clip_gives_zero_and_zero_gradients():
    student, teacher = records(([], []))
    embeds = student.embeds.requires_grad_()
    loss = term()
    value = loss(dataclasses.replace(student, embeds=embeds), teacher)['']
    value.backward()
    assert value.item() == 0
    assert embeds.grad.abs().max() == 0
    for parameter in loss.parameters():
        assert parameter.grad.abs().max() == 0


def test_no_gradient_reaches_the_teacher():
    student, teacher = records()
    for value in vars(teacher).values():
        value.requires_grad_()
    loss = term()
    loss(student, teacher)[''].backward()
    assert all(value.grad is None for value in vars(teacher).values())
    assert all(p.grad.any() for p in loss.parameters())


def test_the_reid_embedding_is_distilled_where_there_is_one():
    student, teacher = records()
    reid = torch.randn_like(student.embeds).requires_grad_()
    embeds = student.embeds.requires_grad_()
    whole = dataclasses.replace(student, reid=reid)
    term()(whole, teacher)[''].backward()
    assert reid.grad.any() and embeds.grad is None


def test_log_names_and_diagnostics_interval():
    terms = LossTerms(
        dict(
            query=dict(
                type='QueryDistillLoss',
                student_dim=8,
                teacher_dim=6,
                qfa=QFA,
                diagnose_every=2,
                loss_weight=2.0,
            )
        ),
        ('student', 'teacher'),
    )
    hub = MessageHub.get_current_instance()
    hub.update_info('iter', 4)
    logged = terms(*records())
    assert {'loss_query', 'query_pairs', 'query_pass_rate'} <= set(logged)
    hub.update_info('iter', 5)
    assert set(terms(*records())) == {'loss_query'}


def test_projectors():
    assert len(list(query_projection(3, 4, 'mlp').parameters())) == 4
    assert query_projection(3, 4, 'linear').weight.shape == (4, 3)
    with pytest.raises(ValueError, match='student_dim=3 and teacher_dim=4'):
        query_projection(3, 4, 'identity')


def test_refuses_what_does_not_fit():
    student, teacher = records()
    for dims, side in (((5, 6), 'student'), ((8, 5), 'teacher')):
        with pytest.raises(ValueError, match=f'^{side}_dim is 5, but .*width'):
            QueryDistillLoss(*dims, qfa=QFA)(student, teacher)
    for options, told in (
        (dict(distance='l1'), "^distance='l1' is not one of"),
        (dict(projector='conv'), "^projector='conv' is not one of"),
        (dict(diagnose_every=0), 'diagnose_every must be at least 1, got 0'),
    ):
        with pytest.raises(ValueError, match=told):
            term(**options)
    with pytest.raises(TypeError, match='cls_th'):
        term(qfa=dict(cls_th=0.1))
