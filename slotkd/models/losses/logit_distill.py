"""Pixel-wise distillation of class scores."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.map_pair import (
    MapPair,
    labelled_pixels,
    mean_where,
)
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import SegOutput


def all_classes(
    logits: Float[Tensor, 'B V h w'],
) -> Float[Tensor, 'B W h w']:
    """Return a score for each class: one channel means two classes.

    A softmax over the single channel of a binary head would be 1 everywhere
    and teach nothing; with a 0 for the other class it equals the sigmoid.
    """
    if logits.shape[1] > 1:
        return logits
    return torch.cat((torch.zeros_like(logits), logits), dim=1)


def logit_distill_loss(
    student_logits: Float[Tensor, 'B V h w'],
    teacher_logits: Float[Tensor, 'B V h w'],
    *,
    temperature: float | int = 1.0,
    valid: Bool[Tensor, 'B h w'] | None = None,
) -> Float[Tensor, '']:
    """Mean divergence KL(teacher || student) over classes at each pixel.

    Both sides are softmaxes of their logits divided by the temperature; the
    result is multiplied by its square, so that gradients keep their size.
    The teacher is detached here. With no valid pixel the value is a
    differentiable 0.

    Args:
        student_logits: Class scores of the student.
        teacher_logits: Class scores of the teacher on the same grid.
        temperature: Above 1 the smaller shares count more.
        valid: The pixels that count; None counts all.

    Returns:
        A value >= 0; 0, with a zero gradient, for equal distributions.

    Source:
        Hinton et al., Distilling the Knowledge in a Neural Network,
        arXiv:1503.02531; at each pixel as in Liu et al., Structured
        Knowledge Distillation for Semantic Segmentation, CVPR 2019,
        arXiv:1903.04197, Eq. (2). Differs from mmsegmentation 1.2.2's
        ``KLDivLoss``, which hands probabilities to a function of
        log-probabilities: there equal inputs are no optimum.
    """
    student, teacher = (
        (at_least_fp32(all_classes(logits)) / temperature).log_softmax(dim=1)
        for logits in (student_logits, teacher_logits.detach())
    )
    divergence = F.kl_div(student, teacher, reduction='none', log_target=True)
    return mean_where(divergence.sum(dim=1), valid) * temperature**2


@MODELS.register_module()
class LogitDistillLoss(nn.Module):
    """:func:`logit_distill_loss` between two segmentors' predictions.

    The teacher's logits are resized to the student's grid.

    Args:
        temperature: See :func:`logit_distill_loss`.
        ignore_index: Pixels of this label do not count, where there are
            labels; None counts all pixels, padding too.

    Raises:
        ValueError: If the numbers of classes differ, or the temperature is
            not above 0.

    Source:
        Hinton et al., arXiv:1503.02531; Liu et al., arXiv:1903.04197.
    """

    fields = ('logits',)
    teacher_fields = ('logits',)

    def __init__(
        self, temperature: float | int = 1.0, *, ignore_index: int | None = 255
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        self.temperature = temperature
        self.ignore_index = ignore_index
        self.pair = MapPair('logits', -1, -1, None, None)

    def forward(self, student: SegOutput, teacher: SegOutput) -> Tensor:
        """Return the loss between two records."""
        ours, theirs = self.pair(student, teacher)
        return logit_distill_loss(
            ours,
            theirs,
            temperature=self.temperature,
            valid=labelled_pixels(
                student.labels, ours.shape[2:], self.ignore_index
            ),
        )


def check_temperature(temperature: float | int) -> None:
    """Raise ValueError unless a temperature is above 0."""
    if temperature <= 0:
        raise ValueError(f'temperature must be above 0, got {temperature}')
