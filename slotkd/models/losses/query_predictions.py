"""Distillation of what associated queries predict: class and mask."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.query_distill import balanced_mean
from slotkd.models.losses.query_pairs import (
    FIELDS,
    TEACHER_FIELDS,
    QueryAssociation,
)
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.query_association import QueryPairs
from slotkd.registry import MODELS
from slotkd.structures import QueryOutput, VideoQueryOutput


def query_class_loss(
    student: Float[Tensor, 'M V'],
    teacher: Float[Tensor, 'M V'],
    weight: Float[Tensor, ' M'],
    *,
    temperature: float | int = 2.0,
) -> Float[Tensor, '']:
    """Weighted mean divergence KL(teacher || student) of classes.

    Both are softmaxes of the logits over the temperature; the result is
    multiplied by its square. The teacher is detached here.

    Args:
        student: Class logits of the student, "no object" included.
        teacher: The same of the partners.
        weight: Reliability of each pair, > 0.
        temperature: Above 1 the smaller probabilities count more.

    Returns:
        A value >= 0, 0 for equal predictions; an exact, differentiable zero
        without pairs.

    Source:
        Hinton et al., Distilling the Knowledge in a Neural Network,
        arXiv:1503.02531.
    """
    ours, theirs = (
        (at_least_fp32(logits) / temperature).log_softmax(dim=1)
        for logits in (student, teacher.detach())
    )
    divergence = F.kl_div(ours, theirs, reduction='none', log_target=True)
    return balanced_mean(divergence.sum(dim=1), weight) * temperature**2


def query_mask_loss(
    student: Float[Tensor, 'M h w'],
    teacher: Float[Tensor, 'M h w'],
    weight: Float[Tensor, ' M'],
) -> Float[Tensor, '']:
    """Weighted mean of soft cross-entropy and soft Dice of masks.

    The cross-entropy is taken above its smallest value, the entropy of the
    teacher; Dice is ``1 - (2 sum(s t) + 1) / (sum(s^2) + sum(t^2) + 1)``.
    Both are 0 for equal masks. The teacher is detached here.

    Args:
        student: Masks of the student before the sigmoid.
        teacher: The same of the partners in that frame.
        weight: Reliability of each pair, > 0.

    Returns:
        A value >= 0, 0 for equal masks; an exact, differentiable zero
        without pairs.

    Source:
        Milletari et al., V-Net, arXiv:1606.04797, for Dice with squares,
        which unlike plain sums is smallest at equality. Over all cells, not
        over points drawn where the student is unsure.
    """
    logits = at_least_fp32(student).flatten(1)
    target = at_least_fp32(teacher.detach()).flatten(1)
    masks, truth = logits.sigmoid(), target.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(
        logits, truth, reduction='none'
    ) - F.binary_cross_entropy_with_logits(target, truth, reduction='none')
    size = masks.square().sum(dim=1) + truth.square().sum(dim=1)
    dice = 1 - (2 * (masks * truth).sum(dim=1) + 1) / (size + 1)
    return balanced_mean(entropy.mean(dim=1) + dice, weight)


class _PairedTerm(nn.Module):
    """A term on the predictions of associated queries."""

    fields = FIELDS
    teacher_fields = TEACHER_FIELDS

    def __init__(self, qfa: dict | None) -> None:
        super().__init__()
        self.association = QueryAssociation(**(qfa or {}))
        if self.association.mode == 'cosine':
            raise ValueError(
                "qfa.mode='cosine' pairs projected embeddings, which "
                f'{type(self).__name__} has none of'
            )

    def pairs(
        self, student: QueryOutput, teacher: VideoQueryOutput
    ) -> QueryPairs:
        """Associate two records."""
        return self.association.pairs(student, teacher, student.features)


@MODELS.register_module()
class QueryClassLoss(_PairedTerm):
    """:func:`query_class_loss` between associated queries of two models.

    Args:
        temperature: See :func:`query_class_loss`.
        qfa: Options of :class:`QueryAssociation`.

    Raises:
        ValueError: If an option is unknown, or the classes differ in
            number.

    Source:
        Hinton et al., arXiv:1503.02531; our choice for OOKD.
    """

    def __init__(
        self, temperature: float | int = 2.0, *, qfa: dict | None = None
    ) -> None:
        super().__init__(qfa)
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        self.temperature = temperature

    def forward(
        self, student: QueryOutput, teacher: VideoQueryOutput
    ) -> Tensor:
        """Return the loss between two records."""
        pairs = self.pairs(student, teacher)
        return query_class_loss(
            student.cls_logits[pairs.clip, pairs.frame, pairs.query],
            teacher.cls_logits[pairs.clip, pairs.teacher_query],
            pairs.weight,
            temperature=self.temperature,
        )


@MODELS.register_module()
class QueryMaskLoss(_PairedTerm):
    """:func:`query_mask_loss` between associated queries of two models.

    The teacher's masks are resized to the student's grid.

    Args:
        qfa: Options of :class:`QueryAssociation`.

    Raises:
        ValueError: If an option is unknown.

    Source:
        Our choice for OOKD.
    """

    def __init__(self, qfa: dict | None = None) -> None:
        super().__init__(qfa)

    def forward(
        self, student: QueryOutput, teacher: VideoQueryOutput
    ) -> Tensor:
        """Return the loss between two records."""
        pairs = self.pairs(student, teacher)
        frame = pairs.frame
        if student.frames is not None:
            frame = student.frames[pairs.clip, frame]
        masks = teacher.mask_logits[pairs.clip, pairs.teacher_query, frame]
        with torch.no_grad():
            grid = student.mask_logits.shape[-2:]
            masks = _resized(masks, (grid[0], grid[1]))
        return query_mask_loss(
            student.mask_logits[pairs.clip, pairs.frame, pairs.query],
            masks,
            pairs.weight,
        )


def _resized(
    masks: Float[Tensor, 'M _ _'], grid: tuple[int, int]
) -> Float[Tensor, 'M _ _']:
    if masks.shape[-2:] == grid:
        return masks
    images = at_least_fp32(masks)[:, None]
    return F.interpolate(images, grid, mode='bilinear').squeeze(1)
