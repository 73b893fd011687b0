"""How well masks follow labels: hard pixels and soft Jaccard."""

import math

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.loss_terms import training_step
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import VosOutput

VOID = 255


def hard_pixel_cross_entropy(
    logits: Float[Tensor, 'F V H W'],
    labels: Integer[Tensor, 'F H W'],
    *,
    pixel_share: float | int = 1.0,
) -> Float[Tensor, ' F']:
    """Mean cross-entropy of each frame over its hardest pixels.

    Void pixels do not count; a frame of void alone gives 0.

    Args:
        logits: Scores of background and objects; -1e10 where there is no
            such object.
        labels: Object of each pixel, 0 background, 255 void.
        pixel_share: Share in (0, 1] of the pixels that count, hardest first.

    Returns:
        Values >= 0; 0 for certain and right predictions.

    Source:
        Yang et al., DeAOT, arXiv:2210.09782, as in
        yoxu515/aot-benchmark@04fe7d9. Differs: the share is of the pixels
        that are not void.
    """
    entropy = F.cross_entropy(
        at_least_fp32(logits), labels, ignore_index=VOID, reduction='none'
    ).flatten(1)  # 0 at void
    counted = (labels != VOID).flatten(1).sum(dim=1)
    if pixel_share < 1:
        most = math.ceil(pixel_share * entropy.shape[1])
        counted = (counted * pixel_share).ceil()
        entropy = entropy.topk(most, dim=1).values
        rank = torch.arange(most, device=entropy.device)
        entropy = entropy.where(rank < counted[:, None], 0)
    return entropy.sum(dim=1) / counted.clamp(min=1)


def soft_jaccard_loss(
    logits: Float[Tensor, 'F V H W'], labels: Integer[Tensor, 'F H W']
) -> Float[Tensor, ' F']:
    """One minus the soft intersection over union of the labels of a frame.

    ``1 - sum p y / (sum p + sum y - sum p y)`` for each of background and
    objects that has a pixel, with the softmax p and the one-hot y; the mean
    over them. Void pixels do not count; a frame of void alone gives 0.

    Args:
        logits: Scores of background and objects.
        labels: Object of each pixel, 0 background, 255 void.

    Returns:
        Values in [0, 1]; 0 for certain and right predictions.

    Source:
        The Tversky loss with both weights 1 of yoxu515/aot-benchmark.
    """
    known = labels != VOID
    probs = at_least_fp32(logits).softmax(dim=1) * known[:, None]
    objects = torch.arange(logits.shape[1], device=labels.device)
    truth = (labels[:, None] == objects[:, None, None]).to(probs.dtype)
    overlap = (probs * truth).sum(dim=(2, 3))
    size = truth.sum(dim=(2, 3))
    union = probs.sum(dim=(2, 3)) + size - overlap
    present = size > 0
    jaccard = overlap / torch.where(present, union, 1)
    missed = (1 - jaccard).where(present, 0)
    return missed.sum(dim=1) / present.sum(dim=1).clamp(min=1)


def segmentation_loss(
    logits: Float[Tensor, 'B T V h w'],
    labels: Integer[Tensor, 'B T H W'],
    *,
    ce: float | int = 0.5,
    jaccard: float | int = 0.5,
    pixel_share: float | int = 1.0,
) -> Float[Tensor, 'B T']:
    """Weighted sum of both losses of each frame, at the size of the labels.

    The logits are resized bilinearly, corner pixel on corner pixel.

    Args:
        logits: See :func:`hard_pixel_cross_entropy`.
        labels: Object of each pixel, 0 background, 255 void.
        ce: Weight of :func:`hard_pixel_cross_entropy`.
        jaccard: Weight of :func:`soft_jaccard_loss`.
        pixel_share: See :func:`hard_pixel_cross_entropy`.

    Returns:
        Values >= 0; exact zeros for frames of void alone.
    """
    shape = labels.shape[:2]
    maps = F.interpolate(
        at_least_fp32(logits).flatten(0, 1),
        labels.shape[2:],
        mode='bilinear',
        align_corners=True,
    )
    labels = labels.flatten(0, 1)
    frames = ce * hard_pixel_cross_entropy(
        maps, labels, pixel_share=pixel_share
    ) + jaccard * soft_jaccard_loss(maps, labels)
    return frames.unflatten(0, shape)


def falling(step: int, iters: int, last: float | int) -> float:
    """Fall linearly from 1 at step 0 to ``last`` at ``iters``, and stay."""
    done = 1.0 if iters == 0 else min(step / iters, 1.0)
    return float(1 - done * (1 - last))


class ScheduledSegmentation(nn.Module):
    """:func:`segmentation_loss`, sharper as the training goes on.

    The mean over all frames but the first, plus the first (the reference,
    whose mask the network was given) with a weight that falls from 1 to 0.
    Frames of void alone count as 0 in the mean.

    Args:
        ce: Weight of the cross-entropy.
        jaccard: Weight of the soft Jaccard loss.
        top_pixels: Share of the pixels in the cross-entropy in the end; 1 at
            the start.
        hard_iters: Iterations until then; half the training.
        reference_iters: Iterations until the reference counts no more; the
            whole training.

    Raises:
        ValueError: If a share is outside (0, 1] or a number of iterations
            negative.

    Source:
        Yang et al., DeAOT, arXiv:2210.09782, and the schedules of
        yoxu515/aot-benchmark@04fe7d9.
    """

    def __init__(
        self,
        ce: float | int = 0.5,
        jaccard: float | int = 0.5,
        *,
        top_pixels: float | int = 0.15,
        hard_iters: int = 25_000,
        reference_iters: int = 50_000,
    ) -> None:
        super().__init__()
        if not 0 < top_pixels <= 1 or min(hard_iters, reference_iters) < 0:
            raise ValueError(
                f'{type(self).__name__} needs top_pixels in (0, 1] and '
                f'iterations >= 0, got top_pixels={top_pixels}, hard_iters='
                f'{hard_iters} and reference_iters={reference_iters}'
            )
        self.ce = ce
        self.jaccard = jaccard
        self.top_pixels = top_pixels
        self.hard_iters = hard_iters
        self.reference_iters = reference_iters

    def weighted(
        self,
        logits: Float[Tensor, 'B T V h w'],
        labels: Integer[Tensor, 'B T H W'],
    ) -> Float[Tensor, '']:
        """Return the loss at the current iteration."""
        step = training_step()
        frames = segmentation_loss(
            logits,
            labels,
            ce=self.ce,
            jaccard=self.jaccard,
            pixel_share=falling(step, self.hard_iters, self.top_pixels),
        )
        reference = falling(step, self.reference_iters, 0)
        later = frames[:, 1:].sum() / max(frames[:, 1:].numel(), 1)
        return later + reference * frames[:, 0].mean()


@MODELS.register_module()
class MaskSegmentationLoss(ScheduledSegmentation):
    """The labels of a record against its own logits.

    For supervised training: the model puts the true masks into ``labels``.
    See :class:`ScheduledSegmentation`.

    Source:
        Yang et al., DeAOT, arXiv:2210.09782.
    """

    fields = ('logits', 'labels')

    def forward(self, output: VosOutput) -> Tensor:
        """Return the loss of one record."""
        return self.weighted(output.logits, output.labels)


@MODELS.register_module()
class PseudoLabelLoss(ScheduledSegmentation):
    """The teacher's labels against the student's logits.

    See :class:`ScheduledSegmentation`. The labels are what quality control
    has left of the teacher's prediction; the rest is void.

    Source:
        Truong et al., arXiv:2401.13937, teach the student pseudo-labels;
        the loss is that of DeAOT, our choice.
    """

    fields = ('logits',)
    teacher_fields = ('labels',)

    def forward(self, student: VosOutput, teacher: VosOutput) -> Tensor:
        """Return the loss between two records."""
        if student.logits.shape[:2] != teacher.labels.shape[:2]:
            raise ValueError(
                f'student has (clips, frames) '
                f'{tuple(student.logits.shape[:2])}, teacher '
                f'{tuple(teacher.labels.shape[:2])}'
            )
        return self.weighted(student.logits, teacher.labels)
