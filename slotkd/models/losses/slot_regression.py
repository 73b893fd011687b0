"""Distances between corresponding slots other than the cosine."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from slotkd.models.losses.slot_match import SlotMatchLoss
from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput

DISTANCES = ('mse', 'kl')


def slot_regression_loss(
    student_slots: Float[Tensor, 'B T K D'],
    teacher_slots: Float[Tensor, 'B T K D'],
    *,
    distance: str = 'mse',
) -> Float[Tensor, '']:
    """Mean distance between slots of equal index.

    The teacher is detached here.

    Args:
        student_slots: Slots of the student, in the teacher's width.
        teacher_slots: Slots of the teacher, in the student's order.
        distance: ``'mse'``, the squared difference of entries; or ``'kl'``,
            the divergence KL(teacher || student) of the distributions that
            a softmax over the width makes of each slot.

    Returns:
        A value >= 0; 0 for equal slots.

    Raises:
        ValueError: If ``distance`` is neither.

    Source:
        The forms of distillation that Grigore et al., SlotMatch,
        arXiv:2508.03411, compare the cosine with.
    """
    check_choice('distance', distance, DISTANCES)
    student = at_least_fp32(student_slots)
    teacher = at_least_fp32(teacher_slots.detach())
    if distance == 'mse':
        return F.mse_loss(student, teacher)
    divergence = F.kl_div(
        student.log_softmax(dim=-1),
        teacher.log_softmax(dim=-1),
        reduction='none',
        log_target=True,
    )
    return divergence.sum(dim=-1).mean()


@MODELS.register_module()
class SlotRegressionLoss(SlotMatchLoss):
    """:func:`slot_regression_loss` between two models.

    Args:
        student_dim: Width of the student's slots.
        teacher_dim: Width of the teacher's slots.
        distance: ``'mse'`` or ``'kl'``.
        match: See :class:`slotkd.models.losses.SlotMatchLoss`.
        match_scope: See there.

    Raises:
        ValueError: If ``distance`` is neither, and as there.

    Source:
        Grigore et al., SlotMatch, arXiv:2508.03411.
    """

    def __init__(
        self,
        student_dim: int,
        teacher_dim: int,
        *,
        distance: str = 'mse',
        match: str = 'index',
        match_scope: str = 'clip',
    ) -> None:
        super().__init__(
            student_dim, teacher_dim, match=match, match_scope=match_scope
        )
        check_choice('distance', distance, DISTANCES)
        self.distance = distance

    def forward(self, student: SlotOutput, teacher: SlotOutput) -> Tensor:
        """Return the loss between two records."""
        return slot_regression_loss(
            *self.pairs(student.slots, teacher.slots), distance=self.distance
        )
