"""The short-term read: attention to a window of the frame before."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.propagation.gdpm_options import GdpmOptions
from slotkd.models.propagation.offset_network import OffsetNetwork
from slotkd.ops.local_attention import local_attention, shifted_attention
from slotkd.structures import MemoryFrames


class WindowRead(nn.Module):
    """Let each cell read a window around its place in the frame before.

    A bias of each place of the window is computed from the query. With a
    displacement, an offset network moves each window's centre; its field is
    computed at the sampling points of the long-term read and interpolated.

    Args:
        key_dim: Channels of queries and keys.
        options: See :class:`slotkd.models.propagation.GdpmOptions`; there is
            one field, whatever its ``groups``.
        radius: Cells from the centre of a window to its border.

    Source:
        The short-term attention of Yang et al., AOT, NeurIPS 2021,
        arXiv:2106.02638; displaced windows are our choice.
    """

    def __init__(
        self, key_dim: int, options: GdpmOptions, *, radius: int = 7
    ) -> None:
        super().__init__()
        self.bias = nn.Conv2d(key_dim, (2 * radius + 1) ** 2, 1)
        self.offsets = (
            OffsetNetwork(
                key_dim,
                stride=options.stride,
                range_cells=options.range_cells,
                cond=options.offset_cond,
            )
            if options.moves_short
            else None
        )
        self.stride = options.stride

    def forward(
        self,
        query: Float[Tensor, 'B E h w'],
        memory: MemoryFrames,
        age: int = 1,
    ) -> Float[Tensor, 'B N C']:
        """Return what each cell reads.

        Args:
            query: Of the current frame.
            memory: The frame before, one.
            age: Frames since it was seen; 0 for the frame itself.
        """
        key, value = memory.key[:, 0], memory.value[:, 0]
        bias = self.bias(query)
        if self.offsets is None:
            read = local_attention(query, key, value, bias)
        else:
            ages = torch.tensor([age], device=query.device)
            moves = self.offsets(query, memory.key, ages)[:, 0, 0]
            read = shifted_attention(
                query, key, value, bias, self._at_cells(moves, query)
            )
        return read.flatten(2).mT

    def _at_cells(
        self, moves: Float[Tensor, 'B M 2'], query: Float[Tensor, 'B E h w']
    ) -> Float[Tensor, 'B 2 h w']:
        """Interpolate the field between its reference points."""
        h, w = query.shape[2:]
        grid = (-(-h // self.stride), -(-w // self.stride))
        field = moves.mT.unflatten(2, grid)
        # Without corner alignment: where reference_points puts the points.
        return F.interpolate(field, (h, w), mode='bilinear')
