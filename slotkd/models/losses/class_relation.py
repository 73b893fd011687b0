"""Distillation of how classes rank at a pixel and pixels within a class."""

from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from slotkd.models.losses.logit_distill import all_classes
from slotkd.models.losses.map_pair import (
    MapPair,
    labelled_pixels,
    mean_where,
)
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.similarity import pearson_correlation, varies
from slotkd.registry import MODELS
from slotkd.structures import SegOutput


def class_relation_loss(
    student_logits: Float[Tensor, 'B V h w'],
    teacher_logits: Float[Tensor, 'B V h w'],
    *,
    beta: float | int = 1.0,
    gamma: float | int = 1.0,
    valid: Bool[Tensor, 'B h w'] | None = None,
) -> Float[Tensor, '']:
    """``beta`` times the inter- plus ``gamma`` times the intra-class loss.

    Of the softmaxes of both sides, the inter-class loss is 1 minus the mean
    correlation over classes at each pixel, the intra-class loss 1 minus the
    mean correlation over all pixels of the batch in each class. Correlations
    that are undefined (a class that is the same everywhere) are left out.
    The teacher is detached here.

    With two classes the correlation at a pixel is always 1 or -1 and the
    inter-class loss has no gradient.

    Args:
        student_logits: Class scores of the student.
        teacher_logits: Class scores of the teacher on the same grid.
        beta: Weight of the inter-class loss.
        gamma: Weight of the intra-class loss.
        valid: The pixels that count; None counts all.

    Returns:
        A value in [0, 2 (beta + gamma)]; 0 for equal maps.

    Source:
        Huang et al., Knowledge Distillation from A Stronger Teacher (DIST),
        NeurIPS 2022, arXiv:2205.10536, Eq. (9) and (10);
        hunto/DIST_KD:segmentation/losses/dist_kd.py@6d93ca0.
        Differs: undefined correlations are left out, not 0.
    """
    student, teacher = (
        rearrange(
            at_least_fp32(all_classes(logits)).softmax(dim=1),
            'b v h w -> v (b h w)',
        )
        for logits in (student_logits, teacher_logits.detach())
    )
    pixels = None if valid is None else valid.flatten()[None]
    ranks = varies(student, dim=0) & varies(teacher, dim=0)
    inter = 1 - pearson_correlation(student, teacher, dim=0)
    spread = varies(student, dim=1, mask=pixels)
    spread = spread & varies(teacher, dim=1, mask=pixels)
    intra = 1 - pearson_correlation(student, teacher, dim=1, mask=pixels)
    if pixels is not None:
        ranks = ranks & pixels[0]
    return beta * mean_where(inter, ranks) + gamma * mean_where(intra, spread)


@MODELS.register_module()
class ClassRelationLoss(nn.Module):
    """:func:`class_relation_loss` between two segmentors' predictions.

    The teacher's logits are resized to the student's grid.

    Args:
        beta: Weight of the inter-class loss.
        gamma: Weight of the intra-class loss.
        ignore_index: Pixels of this label do not count, where there are
            labels; None counts all pixels.

    Raises:
        ValueError: If the numbers of classes differ.

    Source:
        Huang et al., DIST, arXiv:2205.10536.
    """

    fields = ('logits',)
    teacher_fields = ('logits',)

    def __init__(
        self,
        beta: float | int = 1.0,
        gamma: float | int = 1.0,
        *,
        ignore_index: int | None = 255,
    ) -> None:
        super().__init__()
        self.beta = beta
        self.gamma = gamma
        self.ignore_index = ignore_index
        self.pair = MapPair('logits', -1, -1, None, None)

    def forward(self, student: SegOutput, teacher: SegOutput) -> Tensor:
        """Return the loss between two records."""
        ours, theirs = self.pair(student, teacher)
        return class_relation_loss(
            ours,
            theirs,
            beta=self.beta,
            gamma=self.gamma,
            valid=labelled_pixels(
                student.labels, ours.shape[2:], self.ignore_index
            ),
        )
