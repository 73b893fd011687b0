"""Distillation of where slots look and what they draw."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.ops.choices import check_choice
from slotkd.ops.masks import resize_maps
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput

LOGITS = {'masks': 'mask_logits', 'attn': 'attn_logits'}


def mask_distill_loss(
    student_logits: Float[Tensor, 'B T K N'],
    teacher_logits: Float[Tensor, 'B T K N'],
    *,
    temperature: float = 1.0,
) -> Float[Tensor, '']:
    """Mean divergence KL(teacher || student) over slots at each token.

    Both maps are softmaxes over slots of their logits divided by the
    temperature; the result is multiplied by its square, so that gradients
    keep their size. The teacher is detached here.

    Args:
        student_logits: Attention or mask logits of the student.
        teacher_logits: The same of the teacher, slots in the student's
            order.
        temperature: Above 1 the smaller shares count more.

    Returns:
        A value >= 0; 0 for equal maps.

    Source:
        Hinton et al., Distilling the Knowledge in a Neural Network,
        arXiv:1503.02531, applied to the masks that Grigore et al.,
        SlotMatch, arXiv:2508.03411, call redundant.
    """
    student, teacher = (
        (at_least_fp32(logits) / temperature).log_softmax(dim=2)
        for logits in (student_logits, teacher_logits.detach())
    )
    divergence = F.kl_div(student, teacher, reduction='none', log_target=True)
    return divergence.sum(dim=2).mean() * temperature**2


@MODELS.register_module()
class MaskDistillLoss(nn.Module):
    """:func:`mask_distill_loss` of two models' attention or masks.

    The teacher's maps are resized to the student's patch grid. Slots are
    compared by index: give the student the teacher's order with the
    distiller's ``init_from_teacher``, or let
    :class:`slotkd.models.losses.SlotMatchLoss` by index teach it.

    Args:
        source: ``'masks'``, the decoder's, or ``'attn'``, the corrector's.
        temperature: See :func:`mask_distill_loss`.

    Raises:
        ValueError: If ``source`` is neither, or the slot counts differ.

    Source:
        Grigore et al., SlotMatch, arXiv:2508.03411.
    """

    def __init__(
        self, source: str = 'masks', *, temperature: float = 1.0
    ) -> None:
        super().__init__()
        check_choice('source', source, tuple(LOGITS))
        self.field = LOGITS[source]
        self.temperature = temperature
        self.fields = (self.field,)
        self.teacher_fields = (self.field,)

    def forward(self, student: SlotOutput, teacher: SlotOutput) -> Tensor:
        """Return the loss between two records."""
        student_logits = getattr(student, self.field)
        with torch.no_grad():
            teacher_logits = resize_maps(
                getattr(teacher, self.field), teacher.grid, student.grid
            )
        if student_logits.shape[2] != teacher_logits.shape[2]:
            raise ValueError(
                f'student has {student_logits.shape[2]} slots, teacher has '
                f'{teacher_logits.shape[2]}; their {self.field} cannot be '
                'compared'
            )
        return mask_distill_loss(
            student_logits, teacher_logits, temperature=self.temperature
        )
