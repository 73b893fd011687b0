"""Pairwise distillation: how alike any two places of an image are."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.map_pair import SOURCES, pick_map
from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.similarity import unit_vectors
from slotkd.registry import MODELS
from slotkd.structures import SegOutput


def place_similarity(
    maps: Float[Tensor, 'B C h w'], nodes: Sequence[int]
) -> Float[Tensor, 'B N N']:
    """Return the cosine between any two places of each image.

    Args:
        maps: Features.
        nodes: Rows and columns of places that maps are averaged to; a map
            with fewer keeps its own.

    Returns:
        Values in [-1, 1]; 0 where a place holds zeros alone.
    """
    rows, columns = (
        min(sides) for sides in zip(nodes, maps.shape[2:], strict=True)
    )
    pooled = F.adaptive_avg_pool2d(at_least_fp32(maps), (rows, columns))
    unit = unit_vectors(pooled.flatten(2), dim=1)
    return unit.transpose(1, 2) @ unit


def pairwise_distill_loss(
    student_maps: Float[Tensor, 'B C h w'],
    teacher_maps: Float[Tensor, 'B E p q'],
    *,
    nodes: Sequence[int] = (8, 8),
) -> Float[Tensor, '']:
    """Mean squared difference of :func:`place_similarity`.

    Channels are compared within a side only, so their number, order and
    scale may differ between the sides. The teacher is detached here.

    Args:
        student_maps: Features of the student.
        teacher_maps: Features of the teacher, on any grid.
        nodes: Rows and columns of places, at most those of either map.

    Returns:
        A value in [0, 4]; 0, with a zero gradient, for equal relations.

    Source:
        Liu et al., Structured Knowledge Distillation for Semantic
        Segmentation, CVPR 2019, arXiv:1903.04197, Eq. (1). Differs: places
        are averages, not maxima; every pair counts.
    """
    size = [
        min(sides)
        for sides in zip(
            nodes, student_maps.shape[2:], teacher_maps.shape[2:], strict=True
        )
    ]
    return F.mse_loss(
        place_similarity(student_maps, size),
        place_similarity(teacher_maps.detach(), size),
    )


@MODELS.register_module()
class PairwiseDistillLoss(nn.Module):
    """:func:`pairwise_distill_loss` between one map of each of two records.

    Args:
        source: ``'feats'``, ``'logits'``, or ``'slot_maps'`` of the teacher
            beside ``'feats'`` of the student.
        nodes: Rows and columns of places, see :func:`pairwise_distill_loss`.
        student_index: Level of the student.
        teacher_index: Level, or map, of the teacher.

    Raises:
        ValueError: If ``source`` is unknown or a level does not exist.

    Source:
        Liu et al., arXiv:1903.04197.
    """

    def __init__(
        self,
        source: str = 'feats',
        nodes: Sequence[int] = (8, 8),
        *,
        student_index: int = -1,
        teacher_index: int = -1,
    ) -> None:
        super().__init__()
        check_choice('source', source, SOURCES)
        if len(nodes) != 2 or min(nodes) < 1:
            raise ValueError(
                f'nodes must be rows and columns >= 1, got {tuple(nodes)}'
            )
        self.nodes = tuple(nodes)
        self.indices = (student_index, teacher_index)
        self.fields = ('feats' if source == 'slot_maps' else source,)
        self.teacher_fields = (source,)

    def forward(self, student: SegOutput, teacher: SegOutput) -> Tensor:
        """Return the loss between two records."""
        ours, theirs = self.indices
        return pairwise_distill_loss(
            pick_map(student, self.fields[0], ours, 'student'),
            pick_map(teacher, self.teacher_fields[0], theirs, 'teacher'),
            nodes=self.nodes,
        )
