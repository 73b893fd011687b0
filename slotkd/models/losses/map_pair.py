"""Two maps to compare: picked from two records, brought to one shape."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32
from slotkd.structures import SegOutput

SOURCES = ('logits', 'feats', 'slot_maps')


def resize_map(
    maps: Float[Tensor, 'B C h w'], size: Sequence[int]
) -> Float[Tensor, 'B C p q']:
    """Resize maps bilinearly, without corner alignment, at least in fp32.

    Args:
        maps: Features or logits.
        size: Height and width of the result.

    Returns:
        The resized maps; on the same grid the maps themselves.
    """
    if tuple(maps.shape[2:]) == tuple(size):
        return maps
    return F.interpolate(at_least_fp32(maps), tuple(size), mode='bilinear')


def labelled_pixels(
    labels: Integer[Tensor, 'B H W'] | None,
    size: Sequence[int],
    ignore_index: int | None,
) -> Bool[Tensor, 'B p q'] | None:
    """Say which pixels of a smaller grid have a label, by nearest lookup.

    Args:
        labels: Class of each pixel; None where there is no truth.
        size: Height and width of the grid.
        ignore_index: Label of pixels that do not count.

    Returns:
        The pixels that count; None where all of them do.
    """
    if labels is None or ignore_index is None:
        return None
    valid = (labels != ignore_index).float().unsqueeze(1)
    return F.interpolate(valid, tuple(size), mode='nearest').squeeze(1) > 0


def mean_where(
    values: Float[Tensor, '*shape'], valid: Bool[Tensor, '*shape'] | None
) -> Float[Tensor, '']:
    """Return the mean of the values that count; a connected 0 for none."""
    if valid is None:
        return values.mean()
    return values.where(valid, 0).sum() / valid.sum().clamp(min=1)


def pick_map(
    record: SegOutput, field: str, index: int, side: str
) -> Float[Tensor, 'B C h w']:
    """Return one map of a record.

    Args:
        record: A segmentor's maps.
        field: Name of a map, or of a list of maps.
        index: Which of the list; counts from the end where negative.
        side: Whose record it is, for the error.

    Raises:
        ValueError: If the record holds no such map.
    """
    found = getattr(record, field)
    maps = found if isinstance(found, tuple) else (found,)
    if maps == (None,) or not -len(maps) <= index < len(maps):
        count = 0 if maps == (None,) else len(maps)
        raise ValueError(
            f'the {side} has {count} maps in {field}, none at index {index}'
        )
    return maps[index]


class MapPair(nn.Module):
    """Pick one map of each record and bring them to one shape.

    The student's map is taken to the teacher's channels by a 1x1 convolution
    where they differ; its owner is the loss term, so it is saved with the
    run and dropped from the released student. The teacher's map is resized
    to the student's grid and detached.

    Args:
        source: ``'logits'``, the prediction; ``'feats'``, a level of the
            pyramid; or ``'slot_maps'``, a map of the slot teacher, compared
            with a level of the student's pyramid.
        student_index: Level of the student, for ``'feats'`` and
            ``'slot_maps'``.
        teacher_index: Level, or map, of the teacher.
        student_channels: Channels of the student's map; None where both
            sides have the same number.
        teacher_channels: Channels of the teacher's map.

    Raises:
        ValueError: If ``source`` is unknown, a level does not exist, or
            channels are others than told.
    """

    def __init__(
        self,
        source: str,
        student_index: int,
        teacher_index: int,
        student_channels: int | None,
        teacher_channels: int | None,
    ) -> None:
        super().__init__()
        check_choice('source', source, SOURCES)
        if source == 'logits' and (student_index, teacher_index) != (-1, -1):
            raise ValueError(
                "source='logits' is one map: leave out student_index "
                f'{student_index} and teacher_index {teacher_index}'
            )
        if (student_channels is None) != (teacher_channels is None):
            raise ValueError(
                'give student_channels and teacher_channels, or neither; got '
                f'{student_channels} and {teacher_channels}'
            )
        self.student_field = 'feats' if source == 'slot_maps' else source
        self.teacher_field = source
        self.indices = (student_index, teacher_index)
        self.channels = (student_channels, teacher_channels)
        self.proj: nn.Module = nn.Identity()
        if student_channels != teacher_channels:
            assert student_channels and teacher_channels
            self.proj = nn.Conv2d(student_channels, teacher_channels, 1)

    def forward(
        self, student: SegOutput, teacher: SegOutput
    ) -> tuple[Float[Tensor, 'B C h w'], Float[Tensor, 'B C h w']]:
        """Return the two maps, student first."""
        ours, theirs = (
            pick_map(record, field, index, side)
            for record, field, index, side in zip(
                (student, teacher),
                (self.student_field, self.teacher_field),
                self.indices,
                ('student', 'teacher'),
                strict=True,
            )
        )
        self._check(ours.shape[1], theirs.shape[1])
        with torch.no_grad():
            theirs = resize_map(theirs.detach(), ours.shape[2:])
        return self.proj(ours), theirs

    def _check(self, *found: int) -> None:
        if self.channels == (None, None):
            if found[0] != found[1]:
                raise ValueError(
                    f'the student has {found[0]} channels in '
                    f'{self.student_field}, the teacher {found[1]} in '
                    f'{self.teacher_field}; give student_channels and '
                    'teacher_channels'
                )
        elif found != self.channels:
            raise ValueError(
                f'student_channels and teacher_channels are {self.channels}, '
                f'but the maps have {found}'
            )
