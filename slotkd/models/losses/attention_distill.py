"""Distillation of memory attention: alignment (CKA), and an anchor."""

import math
from collections.abc import Iterator

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.similarity import ESTIMATORS, linear_cka
from slotkd.registry import MODELS
from slotkd.structures import VosOutput

VOID = 255


def attention_cka_loss(
    student_attn: Float[Tensor, 'B N M'],
    teacher_attn: Float[Tensor, 'B N P'],
    *,
    estimator: str = 'biased',
) -> Float[Tensor, ' B']:
    """Return 1 minus the alignment of two attention maps.

    It compares which queries attend alike. Number, order and place of the
    keys may differ, so it does not tell the student *where* to look: shifted
    maps score nearly as well, permuted ones as well. Never the only term.
    The teacher is detached here.

    Args:
        student_attn: Weights of the keys, one row for each query.
        teacher_attn: The same at the same queries.
        estimator: See :func:`slotkd.ops.similarity.linear_cka`.

    Returns:
        Values in [0, 1], slightly above if unbiased; 0 for equal maps, 1
        with a zero gradient for a uniform one.

    Source:
        Kornblith et al., arXiv:1905.00414, applied to rows of attention.
    """
    teacher = teacher_attn.detach()
    return 1 - linear_cka(student_attn, teacher, estimator=estimator)


def resize_queries(
    attn: Float[Tensor, 'B N M'],
    grid: tuple[int, int],
    target: tuple[int, int],
) -> Float[Tensor, 'B P M']:
    """Interpolate rows of attention bilinearly, corner cell on corner cell.

    Rows keep their sum.

    Args:
        attn: One row for each query.
        grid: Grid (h, w) of the queries.
        target: Grid of the result.
    """
    if tuple(grid) == tuple(target):
        return attn
    maps = rearrange(at_least_fp32(attn), 'b (h w) m -> b m h w', h=grid[0])
    maps = F.interpolate(maps, target, mode='bilinear', align_corners=True)
    return rearrange(maps, 'b m h w -> b (h w) m')


def splat_attention(
    attn: Float[Tensor, 'B N M'],
    positions: Float[Tensor, 'B M 2'],
    grid: tuple[int, int],
) -> Float[Tensor, 'B N C']:
    """Write attention over deformed keys into the cells of their frame.

    Each weight is shared between the four cells around its position,
    bilinearly. Positions outside the frame count as on its border, as in
    sampling with border padding.

    Args:
        attn: Weights of the keys of one memory frame.
        positions: Where the keys were sampled, (x, y); -1 and 1 are the
            centres of the border cells.
        grid: Cells (h, w) of the memory frame.

    Returns:
        Weights of the cells; each row keeps its sum. Gradients reach the
        weights and the positions.
    """
    height, width = grid
    last = attn.new_tensor([width - 1, height - 1])
    place = ((positions + 1) / 2 * last).clamp(min=0).minimum(last)
    low = place.detach().floor()
    share = place - low
    cells = attn.new_zeros(*attn.shape[:2], height * width)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x, y = (low + low.new_tensor([dx, dy])).minimum(last).unbind(-1)
        weight = (share[..., 0] if dx else 1 - share[..., 0]) * (
            share[..., 1] if dy else 1 - share[..., 1]
        )
        index = (y * width + x).long()[:, None].expand_as(attn)
        cells = cells.scatter_add(2, index, attn * weight[:, None])
    return cells


def splat_divergence(
    student_cells: Float[Tensor, 'B N C'],
    teacher_cells: Float[Tensor, 'B N C'],
    *,
    floor: float = 1e-6,
) -> Float[Tensor, ' B']:
    """Mean over queries of KL(teacher || student) over the memory's cells.

    The teacher is detached here.

    Args:
        student_cells: Rows that sum to 1.
        teacher_cells: Rows that sum to 1.
        floor: Added to every cell on both sides, since a coarse grid of
            samples leaves cells without weight.

    Returns:
        Values >= 0; 0 for equal rows.
    """
    student, teacher = (
        (cells + floor) / (1 + floor * cells.shape[2])
        for cells in (student_cells, teacher_cells.detach())
    )
    terms = teacher * (teacher.log() - student.log())
    return terms.sum(dim=2).mean(dim=1)


def paired_layers(num_student: int, num_teacher: int) -> list[int]:
    """Return the teacher's layer of each student's layer, counted from 0.

    Layer i of the student, from 1, has the teacher's layer i L_T / L_S,
    rounded half up and at least 1: the last always pairs with the last.

    Args:
        num_student: Layers of the student.
        num_teacher: Layers of the teacher.
    """
    return [
        max(math.floor(i * num_teacher / num_student + 0.5), 1) - 1
        for i in range(1, num_student + 1)
    ]


def labelled_frames(teacher: VosOutput) -> Bool[Tensor, 'B T']:
    """Say which frames have a pixel that is not void.

    Args:
        teacher: A record after quality control.
    """
    return (teacher.labels != VOID).flatten(2).any(dim=2)


def paired_frames(
    student: VosOutput, teacher: VosOutput, field: str
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield frame number, the student's and the teacher's value of a field.

    Args:
        student: Record with the field.
        teacher: Record with the field.
        field: ``'attn'`` or ``'positions'``.

    Raises:
        ValueError: If a record has none or the numbers of frames differ.
    """
    layers = []
    for name, output in (('student', student), ('teacher', teacher)):
        value = getattr(output, field)
        if not value or not value[0]:
            raise ValueError(
                f'the record of the {name} has no {field}: clips need two '
                'frames or more, and run() the field'
            )
        layers.append(value)
    pairs = paired_layers(len(layers[0]), len(layers[1]))
    for own, index in zip(layers[0], pairs, strict=True):
        target = layers[1][index]
        if len(own) != len(target):
            raise ValueError(
                f'student has {field} of {len(own)} frames, teacher of '
                f'{len(target)}'
            )
        frames = zip(own, target, strict=True)
        for t, (student_value, teacher_value) in enumerate(frames, start=1):
            yield t, student_value, teacher_value


def mean_of_frames(
    values: list[Float[Tensor, ' B']], kept: list[Bool[Tensor, ' B']]
) -> Float[Tensor, '']:
    """Return the mean over frames and clips, what is not kept counting 0.

    Args:
        values: A loss of each clip, for each frame.
        kept: Which of them count.
    """
    return torch.stack(values).where(torch.stack(kept), 0).mean()


@MODELS.register_module()
class AttentionCKALoss(nn.Module):
    """:func:`attention_cka_loss` of the memory attention of two models.

    Mean over the student's layers, see :func:`paired_layers`, and all frames
    but the first. Rows of the teacher are resized to the student's grid.
    Frames whose labels are all void count as 0.

    Args:
        estimator: ``'biased'`` or ``'unbiased'``.

    Raises:
        ValueError: If a record has no attention or the frames differ.

    Source:
        Truong et al., arXiv:2401.13937, distil deformable attention maps;
        that it is by centred kernel alignment is said by third parties, the
        tensors and layers are our choice.
    """

    fields = ('attn',)
    teacher_fields = ('attn', 'labels')

    def __init__(self, estimator: str = 'biased') -> None:
        super().__init__()
        check_choice('estimator', estimator, ESTIMATORS)
        self.estimator = estimator

    def forward(self, student: VosOutput, teacher: VosOutput) -> Tensor:
        """Return the loss between two records."""
        labelled = labelled_frames(teacher)
        values, kept = [], []
        for t, own, target in paired_frames(student, teacher, 'attn'):
            target = resize_queries(
                target.flatten(2), teacher.grid, student.grid
            )
            values.append(
                attention_cka_loss(
                    own.flatten(2), target, estimator=self.estimator
                )
            )
            kept.append(labelled[:, t])
        return mean_of_frames(values, kept)


@MODELS.register_module()
class AttentionSplatLoss(nn.Module):
    """Where in memory two models look, compared cell by cell.

    The weights of each memory frame are written to the cells they were
    sampled from, :func:`splat_attention`, and compared by
    :func:`splat_divergence`. Unlike alignment it anchors locations. Both
    models must keep the same memory frames.

    Raises:
        ValueError: If the models keep different numbers of memory frames, or
            a record lacks attention or positions.

    Source:
        Own design.
    """

    fields = ('attn', 'positions')
    teacher_fields = ('attn', 'positions', 'labels')

    def __init__(self) -> None:
        super().__init__()

    def forward(self, student: VosOutput, teacher: VosOutput) -> Tensor:
        """Return the loss between two records."""
        labelled = labelled_frames(teacher)
        values, kept = [], []
        for (t, own, target), (_, own_places, places) in zip(
            paired_frames(student, teacher, 'attn'),
            paired_frames(student, teacher, 'positions'),
            strict=True,
        ):
            if own.shape[2] != target.shape[2]:
                raise ValueError(
                    f'student reads {own.shape[2]} memory frames, teacher '
                    f'{target.shape[2]}; give both the same memory policy'
                )
            grid = student.grid
            cells = _splat_frames(own, own_places, grid)
            target = _splat_frames(target, places, grid)
            target = resize_queries(target, teacher.grid, grid)
            values.append(splat_divergence(cells, target))
            kept.append(labelled[:, t])
        return mean_of_frames(values, kept)


def _splat_frames(
    attn: Float[Tensor, 'B N F M'],
    positions: Float[Tensor, 'B F M 2'],
    grid: tuple[int, int],
) -> Float[Tensor, 'B N C']:
    """Write the weights of each memory frame into its cells."""
    batch = len(attn)
    cells = splat_attention(
        rearrange(at_least_fp32(attn), 'b n f m -> (b f) n m'),
        rearrange(at_least_fp32(positions), 'b f m c -> (b f) m c'),
        grid,
    )
    return rearrange(cells, '(b f) n c -> b n (f c)', b=batch)


def offset_range_loss(
    positions: Float[Tensor, '*shape 2'],
) -> Float[Tensor, '']:
    """Mean distance by which sampling positions leave the frame.

    Args:
        positions: (x, y); the frame's border cells are at -1 and 1.

    Returns:
        A value >= 0; 0 inside the frame.
    """
    return (at_least_fp32(positions).abs() - 1).relu().mean()


@MODELS.register_module()
class OffsetRangeLoss(nn.Module):
    """:func:`offset_range_loss` over all layers and frames.

    Source:
        Own design; sampling with border padding has no gradient outside.
    """

    fields = ('positions',)

    def __init__(self) -> None:
        super().__init__()

    def forward(self, output: VosOutput) -> Tensor:
        """Return the loss of one record."""
        if not output.positions:
            raise ValueError('the record has no positions')
        values = [
            offset_range_loss(places)
            for layer in output.positions
            for places in layer
        ]
        return torch.stack(values).mean()
