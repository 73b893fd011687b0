"""Distillation of features: what is reconstructed, or what is read."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.slot_match import check_widths
from slotkd.ops.choices import check_choice
from slotkd.ops.masks import resize_maps
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput

SOURCES = ('recon', 'tokens', 'feats')


def feature_distill_loss(
    student_feats: Float[Tensor, 'B T N C'],
    teacher_feats: Float[Tensor, 'B T N C'],
) -> Float[Tensor, '']:
    """Mean squared difference of features; the teacher is detached here.

    Args:
        student_feats: Features of the student, in the teacher's width.
        teacher_feats: Features of the teacher on the student's grid.

    Returns:
        A value >= 0; 0 for equal features.

    Source:
        Romero et al., FitNets, ICLR 2015, arXiv:1412.6550, Eq. (3); for the
        reconstructions that Grigore et al., SlotMatch, arXiv:2508.03411,
        call redundant.
    """
    return F.mse_loss(
        at_least_fp32(student_feats), at_least_fp32(teacher_feats.detach())
    )


@MODELS.register_module()
class FeatureDistillLoss(nn.Module):
    """:func:`feature_distill_loss` of one field of two records.

    With other widths a linear map, owned by this term, brings the student's
    features to the teacher's width. The teacher's are resized to the
    student's patch grid.

    Args:
        student_dim: Width of the student's field.
        teacher_dim: Width of the teacher's field.
        source: ``'recon'``, ``'tokens'`` or ``'feats'``.

    Raises:
        ValueError: If ``source`` is none of these, or a field has another
            width than was told.

    Source:
        Romero et al., FitNets, ICLR 2015, arXiv:1412.6550.
    """

    def __init__(
        self, student_dim: int, teacher_dim: int, *, source: str = 'recon'
    ) -> None:
        super().__init__()
        check_choice('source', source, SOURCES)
        self.source = source
        self.student_dim = student_dim
        self.teacher_dim = teacher_dim
        self.fields = (source,)
        self.teacher_fields = (source,)
        same = student_dim == teacher_dim
        self.proj = (
            nn.Identity() if same else nn.Linear(student_dim, teacher_dim)
        )

    def forward(self, student: SlotOutput, teacher: SlotOutput) -> Tensor:
        """Return the loss between two records."""
        values = getattr(student, self.source), getattr(teacher, self.source)
        check_widths(self.source, values, (self.student_dim, self.teacher_dim))
        student_feats, teacher_feats = values
        with torch.no_grad():
            resized = resize_maps(
                teacher_feats.transpose(2, 3), teacher.grid, student.grid
            )
        return feature_distill_loss(
            self.proj(student_feats), resized.transpose(2, 3)
        )
