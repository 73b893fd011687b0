"""Attention of memory: alignment, splatting, positions."""

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.losses import (
    AttentionCKALoss,
    AttentionSplatLoss,
    OffsetRangeLoss,
    attention_cka_loss,
    offset_range_loss,
    splat_attention,
)
from slotkd.models.losses.attention_distill import (
    paired_layers,
    resize_queries,
    splat_divergence,
)
from slotkd.ops.similarity import linear_cka
from tests import vos

F64 = torch.float64
VOID = 255
TERMS = pytest.mark.parametrize(
    'make', [AttentionCKALoss, AttentionSplatLoss], ids=['cka', 'splat']
)


def with_grad(output):
    """Return the record with leaves for attention, and the leaves."""
    leaves = [a.clone().requires_grad_() for a in output.attn[0]]
    return vos.record(
        attn=(tuple(leaves),), positions=output.positions
    ), leaves


@TERMS
def test_equal_records_give_zero_without_gradient(make):
    teacher = vos.record()
    student, leaves = with_grad(teacher)
    loss = make()(student, teacher)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-12)
    for leaf in leaves:
        slope = leaf.grad.flatten(2)
        along = slope - slope.mean(dim=2, keepdim=True)  # rows sum to 1
        assert along.abs().max() < 1e-7


def test_cka_term_is_the_mean_over_layers_frames_and_clips():
    student = vos.record(layers=2)
    teacher = vos.record(layers=3, samples=20, seed=1)
    for estimator in ('biased', 'unbiased'):
        values = [
            1
            - linear_cka(
                student.attn[own][t].flatten(2),
                teacher.attn[other][t].flatten(2),
                estimator=estimator,
            )
            for own, other in ((0, 1), (1, 2))
            for t in range(2)
        ]
        value = AttentionCKALoss(estimator)(student, teacher)
        torch.testing.assert_close(value, torch.stack(values).mean())


def test_alignment_is_blind_to_the_order_of_keys_and_splatting_is_not():
    teacher = vos.record()
    order = torch.randperm(12)
    attn = tuple(a[..., order] for a in teacher.attn[0])
    student = vos.record(attn=(attn,), positions=teacher.positions)
    assert float(AttentionCKALoss()(student, teacher)) < 1e-12
    assert float(AttentionSplatLoss()(student, teacher)) > 0.1
    places = tuple(p[:, :, order] for p in teacher.positions[0])
    moved = vos.record(attn=(attn,), positions=(places,))
    assert float(AttentionSplatLoss()(moved, teacher)) < 1e-12


@TERMS
def test_another_clips_attention_raises_it(make):
    teacher = vos.record()
    near = tuple(
        0.8 * a + 0.2 * b
        for a, b in zip(
            teacher.attn[0], vos.record(seed=1).attn[0], strict=True
        )
    )
    student = vos.record(attn=(near,), positions=teacher.positions)
    flipped = vos.record(
        attn=(tuple(a.flip(1) for a in teacher.attn[0]),),
        positions=teacher.positions,
    )
    loss = make()
    assert loss(student, teacher) < 0.8 * loss(student, flipped)


@TERMS
def test_gradient_reaches_the_student_only(make):
    student, leaves = with_grad(vos.record())
    teacher, others = with_grad(vos.record(seed=1))
    make()(student, teacher).backward()
    assert all(leaf.grad.any() for leaf in leaves)
    assert all(leaf.grad is None for leaf in others)


def test_gradients_are_right():
    teacher = torch.rand(1, 6, 5, dtype=F64)
    student = torch.rand(1, 6, 4, dtype=F64, requires_grad=True)
    torch.autograd.gradcheck(lambda x: attention_cka_loss(x, teacher), student)
    places = (1.6 * torch.rand(1, 4, 2, dtype=F64) - 0.8).requires_grad_()
    weights = torch.rand(1, 6, 12, dtype=F64)
    torch.autograd.gradcheck(
        lambda a, p: (splat_attention(a, p, (3, 4)) * weights).sum(),
        (student, places),
    )
    cells = torch.rand(1, 3, 5, dtype=F64, requires_grad=True)
    torch.autograd.gradcheck(
        lambda x: splat_divergence(x, weights[:, :3, :5]), cells
    )


@TERMS
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_uniform_attention_stays_finite(make, dtype):
    attn = torch.full((2, 12, 1, 12), 1 / 12, dtype=dtype, requires_grad=True)
    student = vos.record(frames=2, dtype=torch.float32, attn=((attn,),))
    loss = make()(student, vos.record(frames=2, dtype=torch.float32))
    loss.backward()
    assert loss.isfinite() and attn.grad.isfinite().all()
    if make is AttentionCKALoss:
        assert loss == 1 and not attn.grad.any()


@TERMS
def test_frames_of_void_count_as_zero(make):
    student, teacher = vos.record(), vos.record(seed=1)
    labels = teacher.labels.clone()
    labels[0] = VOID
    kept = make()(student, vos.record(seed=1, labels=labels))
    alone = make()(clip(student, 1), clip(teacher, 1))
    torch.testing.assert_close(kept, alone / 2)
    labels[:] = VOID
    student, leaves = with_grad(student)
    zero = make()(student, vos.record(seed=1, labels=labels))
    zero.backward()
    assert zero == 0 and not any(leaf.grad.any() for leaf in leaves)


def clip(output, index):
    one = slice(index, index + 1)
    return vos.record(
        batch=1,
        labels=output.labels[one],
        attn=(tuple(a[one] for a in output.attn[0]),),
        positions=(tuple(p[one] for p in output.positions[0]),),
    )


def test_rows_of_another_grid_are_resized_and_keep_their_sum():
    attn = torch.rand(2, 12, 5, dtype=F64)
    attn = attn / attn.sum(2, keepdim=True)
    resized = resize_queries(attn, (3, 4), (5, 7))
    assert resized.shape == (2, 35, 5)
    torch.testing.assert_close(resized.sum(2), torch.ones(2, 35, dtype=F64))
    maps = attn.mT.unflatten(2, (3, 4))
    expected = F.interpolate(maps, (5, 7), mode='bilinear', align_corners=True)
    torch.testing.assert_close(resized.mT.unflatten(2, (5, 7)), expected)
    assert resize_queries(attn, (3, 4), (3, 4)) is attn
    student, teacher = vos.record(), vos.record(grid=(5, 7), seed=1)
    for loss in (AttentionCKALoss(), AttentionSplatLoss()):
        assert 0 < float(loss(student, teacher)) < 30


def test_splatted_rows_keep_their_sum_and_equal_a_loop():
    attn = torch.rand(2, 3, 6, dtype=F64)
    places = 2.4 * torch.rand(2, 6, 2, dtype=F64) - 1.2
    h, w = 3, 5
    cells = splat_attention(attn, places, (h, w))
    torch.testing.assert_close(cells.sum(2), attn.sum(2))
    expected = torch.zeros(2, 3, h, w, dtype=F64)
    for b in range(2):
        for m in range(6):
            x = float(((places[b, m, 0] + 1) / 2 * (w - 1)).clamp(0, w - 1))
            y = float(((places[b, m, 1] + 1) / 2 * (h - 1)).clamp(0, h - 1))
            for i in range(h):
                for j in range(w):
                    share = max(0, 1 - abs(x - j)) * max(0, 1 - abs(y - i))
                    expected[b, :, i, j] += share * attn[b, :, m]
    torch.testing.assert_close(cells.unflatten(2, (h, w)), expected)


def test_undeformed_samples_reproduce_their_row():
    attn = torch.rand(1, 2, 12, dtype=F64)
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, 3, dtype=F64),
        torch.linspace(-1, 1, 4, dtype=F64),
        indexing='ij',
    )
    places = torch.stack([x.flatten(), y.flatten()], -1)[None]
    torch.testing.assert_close(splat_attention(attn, places, (3, 4)), attn)


def test_divergence_equals_that_of_torch():
    student, teacher = torch.rand(2, 1, 4, 9, dtype=F64).unbind(0)
    student, teacher = (v / v.sum(2, keepdim=True) for v in (student, teacher))
    value = splat_divergence(student, teacher)
    expected = F.kl_div(student.log(), teacher, reduction='sum') / 4
    torch.testing.assert_close(value[0], expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ('own', 'other', 'pairs'),
    [
        (1, 3, [2]),
        (3, 3, [0, 1, 2]),
        (2, 3, [1, 2]),
        (2, 5, [2, 4]),
        (3, 1, [0, 0, 0]),
    ],
)
def test_layers_are_paired_with_the_last_on_the_last(own, other, pairs):
    assert paired_layers(own, other) == pairs


def test_positions_outside_the_frame_cost_their_distance():
    places = torch.tensor([[0.5, -1.0], [1.5, 0.0], [-3.0, 0.2]], dtype=F64)
    assert float(offset_range_loss(places)) == pytest.approx(2.5 / 6)
    assert offset_range_loss(places[:1]) == 0
    leaf = places.clone().requires_grad_()
    offset_range_loss(leaf).backward()
    expected = torch.tensor([[0, 0], [1, 0], [-1, 0]], dtype=F64) / 6
    torch.testing.assert_close(leaf.grad, expected)
    output = vos.record(layers=2)
    far = tuple(tuple(3 * p for p in layer) for layer in output.positions)
    value = OffsetRangeLoss()(vos.record(positions=far))
    means = [offset_range_loss(p) for layer in far for p in layer]
    torch.testing.assert_close(value, torch.stack(means).mean())
    half = torch.full((4, 2), 1.5, dtype=torch.bfloat16)
    assert offset_range_loss(half) == 0.5


def test_what_does_not_fit_is_refused():
    student, teacher = vos.record(), vos.record(seed=1)
    with pytest.raises(ValueError, match='of 2 frames, teacher of 3'):
        AttentionCKALoss()(student, vos.record(frames=4))
    for side, pair in (
        ('student', (vos.record(attn=None), teacher)),
        ('teacher', (student, vos.record(attn=((),)))),
    ):
        with pytest.raises(ValueError, match=f'{side} has no attn'):
            AttentionCKALoss()(*pair)
    with pytest.raises(ValueError, match='student has no positions'):
        AttentionSplatLoss()(vos.record(positions=None), teacher)
    with pytest.raises(ValueError, match='the record has no positions'):
        OffsetRangeLoss()(vos.record(positions=None))
    with pytest.raises(ValueError, match="estimator='exact' is not one of"):
        AttentionCKALoss('exact')
    fewer = tuple(a[:, :, :1] for a in student.attn[0])
    with pytest.raises(ValueError, match='reads 1 memory frames, teacher 2'):
        AttentionSplatLoss()(vos.record(attn=(fewer,)), teacher)
