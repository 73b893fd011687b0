"""Distillation of how the teacher's queries differ from each other."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from slotkd.models.losses.query_distill import QueryTerm, balanced_mean
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.query_association import QueryPairs
from slotkd.registry import MODELS
from slotkd.structures import QueryOutput, VideoQueryOutput


def query_relation_loss(
    student: Float[Tensor, 'M D'],
    teacher: Float[Tensor, 'B U D'],
    pairs: QueryPairs,
    *,
    temperature: float | int = 0.1,
    num_rejected: int = 32,
) -> Float[Tensor, '']:
    """Tell the partner from the other queries of the teacher's clip.

    ``-log exp(z y_u / t) / sum_u' exp(z y_u' / t)`` with unit vectors, the
    mean over pairs weighted by reliability. The sum runs over the teacher's
    queries that have a partner in the clip and over some that have none. A
    cosine alone can fall by a shift that all embeddings share; this cannot.

    Args:
        student: Embedding of each pair's student query.
        teacher: Embeddings of all queries; detached here.
        pairs: The pairs.
        temperature: Of the softmax.
        num_rejected: Queries without partner in the sum, drawn at random
            for each clip.

    Returns:
        A value >= 0; an exact, differentiable zero without pairs.

    Source:
        van den Oord et al., CPC, arXiv:1807.03748, Eq. (4); its use here is
        our choice.
    """
    ours = F.normalize(at_least_fp32(student), dim=1)
    theirs = F.normalize(at_least_fp32(teacher.detach()), dim=2)
    used = torch.zeros(theirs.shape[:2], dtype=torch.bool).to(theirs.device)
    used[pairs.clip, pairs.teacher_query] = True
    # Random order in which the used come first.
    order = torch.rand(used.shape, device=used.device) + used
    rank = order.argsort(dim=1, descending=True).argsort(dim=1)
    counted = rank < used.sum(dim=1, keepdim=True) + num_rejected
    logits = (ours[:, None] * theirs[pairs.clip]).sum(dim=2) / temperature
    logits = logits.masked_fill(~counted[pairs.clip], float('-inf'))
    values = F.cross_entropy(logits, pairs.teacher_query, reduction='none')
    return balanced_mean(values, pairs.weight)


@MODELS.register_module()
class QueryRelationLoss(QueryTerm):
    """:func:`query_relation_loss` between associated queries of two models.

    Worth its cost where the teacher's queries of different objects are
    alike: above a mean cosine of about 0.5, see
    :class:`slotkd.models.losses.QueryDiagnostics`.

    Args:
        student_dim: Width of the student's embedding.
        teacher_dim: Width of the teacher's.
        projector: ``'linear'``, ``'mlp'`` or ``'identity'``.
        temperature: Of the softmax.
        num_rejected: See :func:`query_relation_loss`.
        qfa: Options of :class:`QueryAssociation`.

    Raises:
        ValueError: If an option is unknown, or widths do not fit.

    Source:
        van den Oord et al., CPC, arXiv:1807.03748; our choice for OOKD.
    """

    def __init__(
        self,
        student_dim: int,
        teacher_dim: int,
        *,
        projector: str = 'linear',
        temperature: float | int = 0.1,
        num_rejected: int = 32,
        qfa: dict | None = None,
    ) -> None:
        super().__init__(
            student_dim, teacher_dim, projector=projector, qfa=qfa
        )
        if temperature <= 0:
            raise ValueError(f'temperature must be > 0, got {temperature}')
        self.temperature = temperature
        self.num_rejected = num_rejected

    def forward(
        self, student: QueryOutput, teacher: VideoQueryOutput
    ) -> Tensor:
        """Return the loss between two records."""
        projected = self.project(student, teacher)
        pairs = self.association.pairs(student, teacher, projected)
        return query_relation_loss(
            projected[pairs.clip, pairs.frame, pairs.query],
            teacher.embeds,
            pairs,
            temperature=self.temperature,
            num_rejected=self.num_rejected,
        )
