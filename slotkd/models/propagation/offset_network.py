"""Where to look in a memory frame: displacements of sampling points."""

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32

KERNEL = 5
MAX_AGE = 31


class OffsetNetwork(nn.Module):
    """Predict bounded displacements of the sampling points of each frame.

    A depth-wise convolution of the stride, layer norm over channels, GELU
    and a 1x1 convolution that starts at zero, so that training starts from
    the regular grid; tanh bounds the result.

    Args:
        key_dim: Channels of queries and keys.
        stride: Cells for one sampling point.
        range_cells: Largest displacement along each axis, in cells.
        groups: Fields of displacements.
        cond: What they are computed from, see
            :class:`slotkd.models.propagation.GdpmOptions`.

    Raises:
        ValueError: If ``cond`` is none of its values.

    Source:
        Xia et al., DAT, CVPR 2022, arXiv:2201.00520, for the three steps.
        Differs: a stride without overlap of points, conditions other than
        the query.
    """

    def __init__(
        self,
        key_dim: int,
        *,
        stride: int,
        range_cells: float | int,
        groups: int = 1,
        cond: str = 'query_key',
    ) -> None:
        super().__init__()
        check_choice('cond', cond, ('query_key', 'query', 'query_dt'))
        width = 2 * key_dim if cond == 'query_key' else key_dim
        self.cond = cond
        self.range_cells = range_cells
        self.groups = groups
        self.conv = nn.Conv2d(
            width,
            width,
            KERNEL,
            stride=stride,
            padding=KERNEL // 2,
            groups=width,
        )
        self.norm = nn.LayerNorm(width)
        self.proj = nn.Linear(width, 2 * groups, bias=False)
        if cond == 'query_dt':
            self.age = nn.Embedding(MAX_AGE + 1, key_dim)
        self.zero_init()

    def zero_init(self) -> None:
        """Let all displacements be zero."""
        nn.init.zeros_(self.proj.weight)

    def forward(
        self,
        query: Float[Tensor, 'B E h w'],
        key: Float[Tensor, 'B F E h w'],
        ages: Integer[Tensor, ' F'],
    ) -> Float[Tensor, 'B F G M 2']:
        """Return displacements (x, y) in cells, at least in fp32.

        Args:
            query: Of the current frame.
            key: Of each memory frame.
            ages: Frames since each was seen.
        """
        frames = key.shape[1]
        hidden = self.conv(self._condition(query, key, ages))
        hidden = F.gelu(self.norm(hidden.movedim(1, -1)))
        moves = at_least_fp32(self.proj(hidden)).tanh() * self.range_cells
        moves = rearrange(moves, 'b h w (g c) -> b g (h w) c', c=2)
        if self.cond == 'query':
            return repeat(moves, 'b g m c -> b f g m c', f=frames)
        return moves.unflatten(0, (-1, frames))

    def _condition(
        self,
        query: Float[Tensor, 'B E h w'],
        key: Float[Tensor, 'B F E h w'],
        ages: Integer[Tensor, ' F'],
    ) -> Float[Tensor, '_ _ h w']:
        """Return the input, memory frames folded into the batch."""
        if self.cond == 'query':
            return query
        queries = query[:, None].expand_as(key)
        if self.cond == 'query_key':
            return torch.cat([queries, key], dim=2).flatten(0, 1)
        age = self.age(ages.clamp(max=MAX_AGE))
        return (queries + age[..., None, None]).flatten(0, 1)
