"""Distillation of query embeddings: the core of OOKD."""

import torch
from jaxtyping import Float, Integer
from mmengine.dist import all_reduce
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.loss_terms import training_step
from slotkd.models.losses.query_diagnostics import query_diagnostics
from slotkd.models.losses.query_pairs import (
    FIELDS,
    TEACHER_FIELDS,
    QueryAssociation,
)
from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import QueryOutput, VideoQueryOutput

DISTANCES = ('cosine', 'l2', 'smooth_l1')
PROJECTORS = ('linear', 'mlp', 'identity')


def query_distill_loss(
    student: Float[Tensor, 'M D'],
    teacher: Float[Tensor, 'M D'],
    weight: Float[Tensor, ' M'],
    label: Integer[Tensor, ' M'] | None = None,
    *,
    num_classes: int = 1,
    distance: str = 'cosine',
) -> Float[Tensor, '']:
    """Weighted mean distance of paired embeddings.

    The teacher is detached here. Without pairs the result is an exact zero
    with zero gradients.

    Args:
        student: Embeddings of the student in the teacher's width.
        teacher: Embeddings of the partners.
        weight: Reliability of each pair, > 0.
        label: Class of each pair, to average inside each class first; None
            averages over all pairs.
        num_classes: Number of classes; with ``label`` only.
        distance: ``'cosine'``: 1 - cosine, half the squared distance of
            unit vectors; ``'l2'``: mean squared difference over the width;
            ``'smooth_l1'``: the same beyond 1 linear.

    Returns:
        A value >= 0; in [0, 2] for the cosine, about 1 at random.

    Raises:
        ValueError: If ``distance`` is unknown.

    Source:
        Own reading of Kim et al., OOKD, arXiv:2302.07516; the published
        loss on the queries is not known.
    """
    check_choice('distance', distance, DISTANCES)
    ours, theirs = at_least_fp32(student), at_least_fp32(teacher.detach())
    if distance == 'cosine':
        values = 1 - F.cosine_similarity(ours, theirs, dim=1)
    elif distance == 'l2':
        values = (ours - theirs).square().mean(dim=1)
    else:
        values = F.smooth_l1_loss(ours, theirs, reduction='none').mean(dim=1)
    return balanced_mean(values, weight, label, num_classes=num_classes)


def balanced_mean(
    values: Float[Tensor, ' M'],
    weight: Float[Tensor, ' M'],
    label: Integer[Tensor, ' M'] | None = None,
    *,
    num_classes: int = 1,
) -> Float[Tensor, '']:
    """Weighted mean inside each class, then the mean over classes.

    In distributed training the sums of weights are averaged over all
    processes, as in mmdet's mask losses: gradients are those of one large
    batch.

    Args:
        values: A loss of each pair.
        weight: Weight of each pair, > 0.
        label: Class of each pair; None puts all into one.
        num_classes: Number of classes.

    Returns:
        The mean; an exact, differentiable zero where there is no pair.
    """
    weight = weight.to(values.dtype)
    if label is None:
        label = torch.zeros(len(values), dtype=torch.long).to(values.device)
    sums = values.new_zeros(num_classes).index_add(0, label, weight * values)
    total = values.new_zeros(num_classes).index_add(0, label, weight)
    all_reduce(total, 'mean')  # in place; nothing where there is one process
    present = (total > 0).sum().clamp(min=1)
    return (sums / total.clamp(min=1e-6)).sum() / present


def query_projection(
    student_dim: int, teacher_dim: int, kind: str
) -> nn.Module:
    """Return the map from the student's to the teacher's width.

    Args:
        student_dim: Width of the student's embedding.
        teacher_dim: Width of the teacher's.
        kind: ``'linear'``, ``'mlp'`` of two layers, or ``'identity'``.

    Raises:
        ValueError: If ``kind`` is unknown, or the identity has to bridge
            two widths.
    """
    check_choice('projector', kind, PROJECTORS)
    if kind == 'linear':
        return nn.Linear(student_dim, teacher_dim)
    if kind == 'mlp':
        return nn.Sequential(
            nn.Linear(student_dim, teacher_dim),
            nn.ReLU(),
            nn.Linear(teacher_dim, teacher_dim),
        )
    if student_dim != teacher_dim:
        raise ValueError(
            "projector='identity' needs equal widths, got student_dim="
            f'{student_dim} and teacher_dim={teacher_dim}'
        )
    return nn.Identity()


class QueryTerm(nn.Module):
    """What the terms on embeddings share: widths, projector, association.

    Args:
        student_dim: Width of the student's embedding.
        teacher_dim: Width of the teacher's.
        projector: See :func:`query_projection`.
        qfa: Options of :class:`QueryAssociation`.
    """

    fields = FIELDS
    teacher_fields = TEACHER_FIELDS

    def __init__(
        self,
        student_dim: int,
        teacher_dim: int,
        *,
        projector: str,
        qfa: dict | None,
    ) -> None:
        super().__init__()
        self.dims = (student_dim, teacher_dim)
        self.proj = query_projection(student_dim, teacher_dim, projector)
        self.association = QueryAssociation(**(qfa or {}))

    def project(
        self, student: QueryOutput, teacher: VideoQueryOutput
    ) -> Float[Tensor, 'B F Q E']:
        """Bring the student's embeddings to the teacher's width.

        Raises:
            ValueError: If a record has another width than was told.
        """
        values = student.features, teacher.embeds
        for side, value, dim in zip(
            ('student', 'teacher'), values, self.dims, strict=True
        ):
            if value.shape[-1] != dim:
                raise ValueError(
                    f"{side}_dim is {dim}, but the {side}'s queries have "
                    f'width {value.shape[-1]}'
                )
        return self.proj(student.features)


@MODELS.register_module()
class QueryDistillLoss(QueryTerm):
    """:func:`query_distill_loss` between associated queries of two models.

    The projector is owned by this term and dropped from the released
    student.

    Args:
        student_dim: Width of the student's embedding.
        teacher_dim: Width of the teacher's.
        projector: ``'linear'``, ``'mlp'`` or ``'identity'``.
        distance: See :func:`query_distill_loss`.
        class_balanced: Average inside each class that has a pair, then over
            classes, so that rare classes, which also pass the filter less
            often, teach as much as frequent ones.
        qfa: Options of :class:`QueryAssociation`.
        diagnose_every: Training iterations between two times that
            :func:`slotkd.models.losses.query_diagnostics` is logged.

    Raises:
        ValueError: If an option is unknown, or widths do not fit.

    Source:
        Own reading of Kim et al., OOKD, arXiv:2302.07516.
    """

    parts = ('',)

    def __init__(
        self,
        student_dim: int,
        teacher_dim: int,
        *,
        projector: str = 'linear',
        distance: str = 'cosine',
        class_balanced: bool = True,
        qfa: dict | None = None,
        diagnose_every: int = 50,
    ) -> None:
        super().__init__(
            student_dim, teacher_dim, projector=projector, qfa=qfa
        )
        check_choice('distance', distance, DISTANCES)
        self.distance = distance
        self.class_balanced = class_balanced
        if diagnose_every < 1:
            raise ValueError(
                f'diagnose_every must be at least 1, got {diagnose_every}'
            )
        self.diagnose_every = diagnose_every

    def forward(
        self, student: QueryOutput, teacher: VideoQueryOutput
    ) -> dict[str, Tensor]:
        """Return the loss between two records, and at times diagnostics."""
        projected = self.project(student, teacher)
        pairs = self.association.pairs(student, teacher, projected)
        values: dict[str, Tensor] = {}
        if training_step() % self.diagnose_every == 0:
            values = query_diagnostics(
                student, teacher, pairs, self.association
            )
        values[''] = query_distill_loss(
            projected[pairs.clip, pairs.frame, pairs.query],
            teacher.embeds[pairs.clip, pairs.teacher_query],
            pairs.weight,
            pairs.label if self.class_balanced else None,
            num_classes=(
                teacher.cls_logits.shape[-1] - 1 if self.class_balanced else 1
            ),
            distance=self.distance,
        )
        return values
