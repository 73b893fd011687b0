"""Hard pixels and soft Jaccard: values, schedules, gradients, void."""

import math

import pytest
import torch
from mmengine.logging import MessageHub
from torch.nn import functional as F

from slotkd.models.losses import (
    MaskSegmentationLoss,
    PseudoLabelLoss,
    hard_pixel_cross_entropy,
    segmentation_loss,
    soft_jaccard_loss,
)
from slotkd.models.losses.segmentation import falling
from tests import vos

F64 = torch.float64
VOID = 255


def certain(labels, channels=4):
    """Return logits that are sure of the labels."""
    truth = F.one_hot(labels.clamp(max=channels - 1), channels)
    return 200.0 * truth.movedim(-1, -3).to(F64)


@pytest.fixture
def frames():
    torch.manual_seed(3)
    labels = torch.randint(3, (2, 9, 13))
    logits = torch.randn(2, 4, 9, 13, dtype=F64)
    return logits, labels


def test_certain_and_right_is_zero_without_gradient(frames):
    _, labels = frames
    logits = certain(labels).requires_grad_()
    loss = hard_pixel_cross_entropy(logits, labels, pixel_share=0.3).sum()
    loss = loss + soft_jaccard_loss(logits, labels).sum()
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-9)
    assert logits.grad.abs().max() < 1e-9


@pytest.mark.parametrize('share', [1.0, 0.4, 0.15])
def test_cross_entropy_equals_a_loop_over_sorted_pixels(frames, share):
    logits, labels = frames
    labels[0, :3] = VOID
    value = hard_pixel_cross_entropy(logits, labels, pixel_share=share)
    for frame in range(2):
        entropies = sorted(
            (
                -float(
                    logits[frame, :, y, x].log_softmax(0)[labels[frame, y, x]]
                )
                for y in range(9)
                for x in range(13)
                if labels[frame, y, x] != VOID
            ),
            reverse=True,
        )
        kept = entropies[: math.ceil(share * len(entropies))]
        assert float(value[frame]) == pytest.approx(sum(kept) / len(kept))


def test_jaccard_equals_a_loop_over_present_objects(frames):
    logits, labels = frames
    labels[1, 0] = VOID
    value = soft_jaccard_loss(logits, labels)
    for frame in range(2):
        known = labels[frame] != VOID
        terms = []
        for label in labels[frame][known].unique():
            p = logits[frame].softmax(0)[label][known]
            y = (labels[frame][known] == label).to(F64)
            overlap = float((p * y).sum())
            terms.append(1 - overlap / float((p + y - p * y).sum()))
        assert float(value[frame]) == pytest.approx(sum(terms) / len(terms))


def test_swapped_objects_raise_it_and_absent_ones_do_not_matter(frames):
    _, labels = frames
    soft = certain(labels) / 100
    swapped = soft[:, [0, 2, 1, 3]]
    for loss in (hard_pixel_cross_entropy, soft_jaccard_loss):
        assert (loss(swapped, labels) > loss(soft, labels) + 0.1).all()
    one = torch.zeros(1, 9, 13).long()
    assert float(soft_jaccard_loss(certain(one), one)) == pytest.approx(0)


def test_logits_are_resized_corner_on_corner():
    labels = torch.zeros(1, 1, 9, 9).long()
    labels[..., 5:] = 1
    logits = torch.zeros(1, 1, 2, 3, 3, dtype=F64)
    logits[0, 0, 1] = torch.tensor([-1.0, 0.0, 1.0])
    columns = torch.linspace(-1, 1, 9, dtype=F64)
    wide = torch.zeros(1, 2, 9, 9, dtype=F64)
    wide[0, 1] = columns
    value = segmentation_loss(logits, labels, ce=1.0, jaccard=0.0)
    expected = hard_pixel_cross_entropy(wide, labels[0])
    torch.testing.assert_close(value[0], expected)


def test_gradient_reaches_the_student_only(frames):
    logits, labels = frames
    logits.requires_grad_()
    torch.autograd.gradcheck(
        lambda x: segmentation_loss(
            x[:, None], labels[:, None], pixel_share=0.5
        ),
        logits,
    )
    student = vos.record(logits=vos.record().logits.requires_grad_())
    teacher_logits = vos.record(seed=1).logits.requires_grad_()
    teacher = vos.record(seed=1, logits=teacher_logits)
    PseudoLabelLoss()(student, teacher).backward()
    assert student.logits.grad.any() and teacher_logits.grad is None


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_void_gives_a_differentiable_zero(dtype):
    student = vos.record(dtype=torch.float32)
    logits = student.logits.to(dtype).requires_grad_()
    labels = torch.full_like(student.labels, VOID)
    for share in (1.0, 0.15):
        loss = segmentation_loss(logits, labels, pixel_share=share)
        assert not loss.any()
        loss.sum().backward()
        assert logits.grad.isfinite().all() and not logits.grad.any()


def test_a_dropped_clip_counts_zero_and_changes_no_other():
    student, teacher = vos.record(), vos.record(seed=1)
    labels = teacher.labels.clone()
    labels[0] = VOID
    loss = PseudoLabelLoss(top_pixels=1.0, hard_iters=0)
    frames = segmentation_loss(student.logits, teacher.labels)
    value = loss(student, vos.record(seed=1, labels=labels))
    expected = frames[1, 1:].sum() / 4 + frames[1, 0] / 2
    torch.testing.assert_close(value, expected)


def test_schedules_follow_the_iteration():
    assert [falling(s, 10, 0.15) for s in (0, 5, 10, 99)] == pytest.approx(
        [1, 0.575, 0.15, 0.15]
    )
    assert falling(0, 0, 0.15) == pytest.approx(0.15)
    output = vos.record()
    loss = MaskSegmentationLoss(hard_iters=4, reference_iters=8)
    hub = MessageHub.get_current_instance()
    for step, share, weight in ((0, 1.0, 1.0), (4, 0.15, 0.5), (8, 0.15, 0)):
        hub.update_info('iter', step)
        frames = segmentation_loss(
            output.logits, output.labels, pixel_share=share
        )
        expected = frames[:, 1:].mean() + weight * frames[:, 0].mean()
        torch.testing.assert_close(loss(output), expected)


def test_one_frame_trains_the_reference_alone():
    output = vos.record(frames=1, attn=None, positions=None)
    frames = segmentation_loss(output.logits, output.labels)
    torch.testing.assert_close(MaskSegmentationLoss()(output), frames.mean())


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='top_pixels=0, hard_iters=25000'):
        PseudoLabelLoss(top_pixels=0)
    with pytest.raises(ValueError, match='reference_iters=-1'):
        MaskSegmentationLoss(reference_iters=-1)
    with pytest.raises(ValueError, match=r'student has .* \(2, 3\), teacher'):
        PseudoLabelLoss()(vos.record(), vos.record(frames=4))
