"""Distillation of the relations between objects and between pixels."""

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.ops.masks import pick_nearest
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.similarity import pearson_correlation, varies
from slotkd.registry import MODELS
from slotkd.structures import VosOutput

VOID = 255
MIN_SPREAD = 1e-4  # below, a channel holds an absent object


def inter_object_loss(
    student_probs: Float[Tensor, 'F V N'],
    teacher_probs: Float[Tensor, 'F V N'],
    valid: Bool[Tensor, 'F N'],
) -> Float[Tensor, '']:
    """Return 1 minus the mean correlation over channels at each pixel.

    How the objects rank at a pixel. Channels without an object belong in,
    as zeros: over the two numbers of a single object a correlation is
    always 1 or -1, and teaches nothing.

    Args:
        student_probs: Softmax over V, unused channels 0.
        teacher_probs: The same of the teacher.
        valid: The pixels that count.

    Returns:
        A value in [0, 2]; 0 for equal inputs.
    """
    defined = valid & varies(student_probs, dim=1)
    defined = defined & varies(teacher_probs, dim=1)
    relation = pearson_correlation(student_probs, teacher_probs, dim=1)
    return _mean_where(1 - relation, defined)


def intra_object_loss(
    student_probs: Float[Tensor, 'F V N'],
    teacher_probs: Float[Tensor, 'F V N'],
    valid: Bool[Tensor, 'F N'],
    num_objects: Integer[Tensor, ' F'],
) -> Float[Tensor, '']:
    """Return 1 minus the mean correlation over pixels of each used channel.

    Where in the frame an object is. Channels that hardly vary (an absent
    object) have no correlation and are left out.

    Args:
        student_probs: Softmax over V, unused channels 0.
        teacher_probs: The same of the teacher.
        valid: The pixels that count.
        num_objects: Objects of each frame; channel 0 is the background.

    Returns:
        A value in [0, 2]; 0 for equal inputs.
    """
    channel = torch.arange(student_probs.shape[1], device=valid.device)
    defined = channel <= num_objects[:, None]
    mask = valid[:, None]
    for probs in (student_probs, teacher_probs):
        defined = defined & varies(probs, dim=2, mask=mask)
    spread = teacher_probs.masked_fill(~mask, 0).amax(dim=2)
    spread = spread - teacher_probs.masked_fill(~mask, 1).amin(dim=2)
    defined = defined & (spread > MIN_SPREAD)
    relation = pearson_correlation(
        student_probs, teacher_probs, dim=2, mask=mask
    )
    return _mean_where(1 - relation, defined)


def object_relation_loss(
    student_probs: Float[Tensor, 'F V N'],
    teacher_probs: Float[Tensor, 'F V N'],
    valid: Bool[Tensor, 'F N'],
    num_objects: Integer[Tensor, ' F'],
    *,
    beta: float | int = 1.0,
    gamma: float | int = 1.0,
    num_channels: int = 11,
) -> Float[Tensor, '']:
    """``beta`` times the inter- plus ``gamma`` times the intra-object loss.

    The teacher is detached here. With no valid pixel the value is a
    differentiable 0.

    Args:
        student_probs: Softmax over background and objects at each pixel of
            each frame, unused channels 0.
        teacher_probs: The same of the teacher.
        valid: The pixels that count.
        num_objects: Objects of each frame.
        beta: Weight of :func:`inter_object_loss`.
        gamma: Weight of :func:`intra_object_loss`.
        num_channels: Zero channels are added up to this number. More lower
            the scale of the inter-object loss where there are many objects.

    Returns:
        A value in [0, 2 (beta + gamma)]; 0 for equal inputs.

    Source:
        Huang et al., Knowledge Distillation from A Stronger Teacher (DIST),
        arXiv:2205.10536, Eq. (9) and (10), hunto/DIST_KD. Differs: relations
        are within the pixels of a frame, not of a batch of images; channels
        are padded; undefined correlations are left out.
    """
    missing = num_channels - student_probs.shape[1]
    student, teacher = (
        F.pad(at_least_fp32(probs), (0, 0, 0, max(missing, 0)))
        for probs in (student_probs, teacher_probs.detach())
    )
    inter = inter_object_loss(student, teacher, valid)
    intra = intra_object_loss(student, teacher, valid, num_objects)
    return beta * inter + gamma * intra


def _mean_where(values: Tensor, mask: Tensor) -> Tensor:
    return values.where(mask, 0).sum() / mask.sum().clamp(min=1)


@MODELS.register_module()
class ObjectRelationLoss(nn.Module):
    """:func:`object_relation_loss` of two models, the first frame left out.

    Pixels that the teacher's labels call void do not count.

    Args:
        beta: Weight of the relations between objects.
        gamma: Weight of the relations between pixels.
        num_channels: See :func:`object_relation_loss`.

    Raises:
        ValueError: If the maps differ in shape.

    Source:
        Truong et al., arXiv:2401.13937, name intra- and inter-object
        relations; taking DIST's (arXiv:2205.10536) for them is our choice.
    """

    fields = ('logits',)
    teacher_fields = ('logits', 'labels')

    def __init__(
        self,
        beta: float | int = 1.0,
        gamma: float | int = 1.0,
        *,
        num_channels: int = 11,
    ) -> None:
        super().__init__()
        self.beta = beta
        self.gamma = gamma
        self.num_channels = num_channels

    def forward(self, student: VosOutput, teacher: VosOutput) -> Tensor:
        """Return the loss between two records."""
        if student.logits.shape != teacher.logits.shape:
            raise ValueError(
                f'student has logits (B, T, V, h, w) '
                f'{tuple(student.logits.shape)}, teacher '
                f'{tuple(teacher.logits.shape)}'
            )
        height, width = student.logits.shape[3:]
        frames = student.logits.shape[1] - 1
        labels = pick_nearest(teacher.labels[:, 1:], (height, width))
        student_probs, teacher_probs = (
            at_least_fp32(output.logits[:, 1:]).softmax(dim=2)
            for output in (student, teacher)
        )
        return object_relation_loss(
            student_probs.flatten(0, 1).flatten(2),
            teacher_probs.flatten(0, 1).flatten(2),
            (labels != VOID).flatten(0, 1).flatten(1),
            teacher.num_objects.repeat_interleave(frames),
            beta=self.beta,
            gamma=self.gamma,
            num_channels=self.num_channels,
        )
