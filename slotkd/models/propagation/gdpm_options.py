"""The options of the deformable memory read, checked."""

from dataclasses import dataclass

from slotkd.ops.choices import check_choice

WHERE = ('long', 'short', 'both')
STRIDES = (1, 2, 4)
OFFSET_CONDS = ('query_key', 'query', 'query_dt')
POS_BIASES = ('none', 'log_cpb')
BANKS = ('dense', 'frozen')


@dataclass(frozen=True, kw_only=True)
class GdpmOptions:
    """Options of a gated deformable propagation module.

    Args:
        where: Which read is deformed: ``'long'``: the long-term memory is
            sampled at displaced points; ``'short'``: the window of each cell
            in the frame before is displaced; ``'both'``.
        stride: Cells of the long-term memory for one sampling point, along
            each axis: 1, 2 or 4.
        range_cells: Largest displacement along each axis, in cells. 0: none
            is learnt; with stride 1 the long-term read is plain attention.
        groups: Groups of channels with displacements of their own, in the
            long-term read.
        offset_cond: What displacements are computed from: ``'query_key'``:
            the current frame and the memory frame; ``'query'``: the current
            frame alone, one field for all memory frames; ``'query_dt'``: the
            current frame and the age of the memory frame.
        carry: Share of a memory frame's last displacement that the next one
            starts from, in [0, 1].
        pos_bias: ``'log_cpb'`` adds a learnt bias of the displacement between
            query and sampling point to the logits of the long-term read.
        bank: ``'dense'`` keeps whole maps and samples them anew for each
            frame; ``'frozen'`` keeps the samples taken when a frame was
            stored.

    Raises:
        ValueError: If an option has no such value, or two contradict.
    """

    where: str = 'long'
    stride: int = 2
    range_cells: float | int = 4
    groups: int = 1
    offset_cond: str = 'query_key'
    carry: float | int = 0.0
    pos_bias: str = 'none'
    bank: str = 'dense'

    def __post_init__(self) -> None:
        check_choice('where', self.where, WHERE)
        check_choice('offset_cond', self.offset_cond, OFFSET_CONDS)
        check_choice('pos_bias', self.pos_bias, POS_BIASES)
        check_choice('bank', self.bank, BANKS)
        if self.stride not in STRIDES:
            raise ValueError(
                f'stride is {self.stride}, it must be one of {STRIDES}'
            )
        if self.range_cells < 0 or self.groups < 1:
            raise ValueError(
                'range_cells must be at least 0 and groups at least 1, got '
                f'{self.range_cells} and {self.groups}'
            )
        if not 0 <= self.carry <= 1:
            raise ValueError(f'carry must be in [0, 1], got {self.carry}')
        if self.carry and self.bank == 'frozen':
            raise ValueError(
                f'carry={self.carry} moves the samples of each frame, but '
                "bank='frozen' keeps them where they were stored"
            )

    @property
    def moves_long(self) -> bool:
        """Whether the long-term read has displacements."""
        return self.where != 'short' and self.range_cells > 0

    @property
    def moves_short(self) -> bool:
        """Whether the short-term read has displacements."""
        return self.where != 'long' and self.range_cells > 0
