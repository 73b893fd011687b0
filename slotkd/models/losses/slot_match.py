"""SlotMatch: the cosine of corresponding slots."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.ops.choices import check_choice
from slotkd.ops.matching import hungarian_match
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput

MATCHES = ('index', 'hungarian')
SCOPES = ('clip', 'frame')


def slot_match_loss(
    student_slots: Float[Tensor, 'B T K D'],
    teacher_slots: Float[Tensor, 'B T K D'],
) -> Float[Tensor, '']:
    """Mean cosine distance between slots of equal index.

    The teacher is detached here. The length of a slot does not matter.

    Args:
        student_slots: Slots of the student, in the teacher's width.
        teacher_slots: Slots of the teacher, in the student's order.

    Returns:
        A value in [0, 2]: 0 for equal directions, 1 for orthogonal slots,
        2 for opposite ones.

    Source:
        Grigore et al., SlotMatch, arXiv:2508.03411. The paper states the
        cosine of corresponding slots; mean and sign are our reading.
    """
    target = at_least_fp32(teacher_slots.detach())
    cosine = F.cosine_similarity(at_least_fp32(student_slots), target, dim=-1)
    return 1 - cosine.mean()


def align_slots(
    student_slots: Float[Tensor, 'B T K D'],
    teacher_slots: Float[Tensor, 'B T M D'],
    *,
    scope: str = 'clip',
) -> tuple[Float[Tensor, 'B T P D'], Float[Tensor, 'B T P D']]:
    """Pair slots by the assignment that maximises the summed cosine.

    With unequal counts, the pairs are as many as the smaller one. No
    gradient flows through the assignment.

    Args:
        student_slots: Slots of the student.
        teacher_slots: Slots of the teacher.
        scope: ``'clip'`` finds one assignment for each clip, from the mean
            cosine over its frames; ``'frame'`` one for each frame.

    Returns:
        Student and teacher slots, paired by index.

    Raises:
        ValueError: If ``scope`` is neither.
    """
    check_choice('scope', scope, SCOPES)
    with torch.no_grad():
        student = F.normalize(at_least_fp32(student_slots), dim=-1)
        teacher = F.normalize(at_least_fp32(teacher_slots), dim=-1)
        cosine = student @ teacher.transpose(-1, -2)
        if scope == 'clip':
            cosine = cosine.mean(dim=1, keepdim=True)
        match = hungarian_match(cosine.flatten(0, 1))
    match = match.unflatten(0, cosine.shape[:2])
    match = match.expand(-1, student_slots.shape[1], -1)
    pairs = min(student_slots.shape[2], teacher_slots.shape[2])
    # A student slot without partner is -1: sorted behind those with one.
    rows = (match < 0).long().sort(dim=-1, stable=True).indices[..., :pairs]
    columns = match.gather(-1, rows)
    return _pick(student_slots, rows), _pick(teacher_slots, columns)


def _pick(slots: Tensor, index: Tensor) -> Tensor:
    width = slots.shape[-1]
    return slots.gather(2, index.unsqueeze(-1).expand(-1, -1, -1, width))


@MODELS.register_module()
class SlotMatchLoss(nn.Module):
    """:func:`slot_match_loss` between two models.

    With equal widths the slots are compared as they are; otherwise a linear
    map without bias, owned by this term and dropped from the released
    student, brings the student's to the teacher's width.

    Args:
        student_dim: Width of the student's slots.
        teacher_dim: Width of the teacher's slots.
        match: ``'index'`` pairs slots of equal index; ``'hungarian'`` pairs
            them by :func:`align_slots`.
        match_scope: ``'clip'`` or ``'frame'``, for ``'hungarian'``.

    Raises:
        ValueError: If ``match`` or ``match_scope`` is unknown, or counts or
            widths of the slots do not fit.

    Source:
        Grigore et al., SlotMatch, arXiv:2508.03411.
    """

    fields = ('slots',)
    teacher_fields = ('slots',)

    def __init__(
        self,
        student_dim: int,
        teacher_dim: int,
        *,
        match: str = 'index',
        match_scope: str = 'clip',
    ) -> None:
        super().__init__()
        check_choice('match', match, MATCHES)
        check_choice('match_scope', match_scope, SCOPES)
        self.student_dim = student_dim
        self.teacher_dim = teacher_dim
        self.match = match
        self.match_scope = match_scope
        self.proj = slot_projection(student_dim, teacher_dim)

    def forward(self, student: SlotOutput, teacher: SlotOutput) -> Tensor:
        """Return the loss between two records."""
        return slot_match_loss(*self.pairs(student.slots, teacher.slots))

    def pairs(
        self,
        student_slots: Float[Tensor, 'B T K D'],
        teacher_slots: Float[Tensor, 'B T M E'],
    ) -> tuple[Float[Tensor, 'B T P E'], Float[Tensor, 'B T P E']]:
        """Project the student's slots and pair them with the teacher's."""
        check_widths(
            'slots',
            (student_slots, teacher_slots),
            (self.student_dim, self.teacher_dim),
        )
        projected = self.proj(student_slots)
        if self.match == 'hungarian':
            return align_slots(
                projected, teacher_slots, scope=self.match_scope
            )
        if projected.shape[2] != teacher_slots.shape[2]:
            raise ValueError(
                f'student has {projected.shape[2]} slots, teacher has '
                f'{teacher_slots.shape[2]}; pairing by index needs equal '
                "counts, match='hungarian' does not"
            )
        return projected, teacher_slots


def slot_projection(student_dim: int, teacher_dim: int) -> nn.Module:
    """Return the map from the student's to the teacher's width, if any."""
    if student_dim == teacher_dim:
        return nn.Identity()
    return nn.Linear(student_dim, teacher_dim, bias=False)


def check_widths(
    field: str, values: tuple[Tensor, Tensor], dims: tuple[int, int]
) -> None:
    """Compare the widths of a field with those that a term was told.

    Args:
        field: Name of the record field.
        values: The field of the student and of the teacher.
        dims: What the term was told as student_dim and teacher_dim.

    Raises:
        ValueError: If the last axis of either has another width.
    """
    sides = ('student', 'teacher')
    for side, value, dim in zip(sides, values, dims, strict=True):
        if value.shape[-1] != dim:
            raise ValueError(
                f"{side}_dim is {dim}, but the {side}'s {field} has width "
                f'{value.shape[-1]}'
            )
