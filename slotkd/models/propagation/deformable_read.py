"""The long-term read: attention to memory frames at displaced points."""

from dataclasses import dataclass, replace

import torch
from einops import rearrange
from jaxtyping import Float, Integer
from torch import Tensor, nn

from slotkd.models.propagation.gdpm_options import GdpmOptions
from slotkd.models.propagation.offset_network import OffsetNetwork
from slotkd.models.propagation.position_bias import LogPositionBias
from slotkd.ops.deform_sample import (
    deform_sample,
    normalize_points,
    reference_points,
)
from slotkd.ops.precision import at_least_fp32
from slotkd.structures import MemoryFrames

MAX_DRIFT = 8.0
# Of a value: what a place looks like, and whose it is.
PARTS = 2

Grid = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one layer read from its long-term memory.

    Args:
        value: What each cell read.
        attn: Weight of each sample for each cell, sums to 1 over F and M.
        positions: Where the samples were taken, (x, y), -1 and 1 being the
            centres of the border cells; the mean over groups.
        memory: The memory with the displacements of this read, for the next.
    """

    value: Float[Tensor, 'B N C']
    attn: Float[Tensor, 'B N F M']
    positions: Float[Tensor, 'B F M 2']
    memory: MemoryFrames


def attend(
    query: Float[Tensor, 'B N E'],
    key: Float[Tensor, 'B F E M'],
    value: Float[Tensor, 'B F C M'],
    bias: Float[Tensor, 'B N F M'] | None = None,
) -> tuple[Float[Tensor, 'B N C'], Float[Tensor, 'B N F M']]:
    """Read samples of several frames with one softmax over all of them.

    Products are divided by the root of E; the softmax is taken at least in
    fp32.

    Args:
        query: Of the current frame.
        key: Of the samples.
        value: Of the samples.
        bias: Added to the logits.

    Returns:
        What each query reads, and its weights.
    """
    keys = rearrange(key, 'b f e m -> b e (f m)')
    logits = at_least_fp32(query * key.shape[2] ** -0.5 @ keys)
    if bias is not None:
        logits = logits + bias.flatten(2)
    attn = logits.softmax(dim=2).unflatten(2, (key.shape[1], key.shape[3]))
    values = rearrange(value, 'b f c m -> b (f m) c')
    return attn.flatten(2).to(values.dtype) @ values, attn


class DeformableRead(nn.Module):
    """Read the long-term memory where an offset network says.

    Args:
        key_dim: Channels of queries and keys.
        options: See :class:`GdpmOptions`.

    Source:
        Truong et al., arXiv:2401.13937, publicly describe reference points,
        an offset network and bilinear re-sampling; all sizes are our choice.
    """

    def __init__(self, key_dim: int, options: GdpmOptions) -> None:
        super().__init__()
        self.options = options
        self.offsets = (
            OffsetNetwork(
                key_dim,
                stride=options.stride,
                range_cells=options.range_cells,
                groups=options.groups,
                cond=options.offset_cond,
            )
            if options.moves_long
            else None
        )
        self.bias = LogPositionBias() if options.pos_bias != 'none' else None

    def forward(
        self,
        query: Float[Tensor, 'B E h w'],
        memory: MemoryFrames,
        ages: Integer[Tensor, ' F'],
    ) -> Reading:
        """Read all memory frames with one softmax.

        Args:
            query: Of the current frame.
            memory: What is read.
            ages: Frames since each memory frame was seen.
        """
        grid = (query.shape[2], query.shape[3])
        sampled = memory
        if memory.points is None:
            sampled = self.sample(query, memory, ages)
        points = sampled.points
        assert points is not None
        where = points.mean(dim=2)
        bias = None
        if self.bias is not None:
            flat = self.bias(where.flatten(1, 2), grid)
            bias = flat.unflatten(2, where.shape[1:3])
        value, attn = attend(
            query.flatten(2).mT,
            sampled.key.flatten(3),
            sampled.value.flatten(3),
            bias,
        )
        return Reading(
            value=value,
            attn=attn,
            positions=normalize_points(where, grid),
            memory=replace(memory, drift=sampled.drift),
        )

    def sample(
        self,
        query: Float[Tensor, 'B E h w'],
        memory: MemoryFrames,
        ages: Integer[Tensor, ' F'],
    ) -> MemoryFrames:
        """Take samples of whole maps.

        Returns:
            Keys and values on the sampling grid, their points, and the
            displacements where they carry over.
        """
        batch, frames, _, h, w = memory.key.shape
        options = self.options
        like = at_least_fp32(memory.key)
        start = reference_points((h, w), options.stride, like)
        points = start.expand(batch, frames, options.groups, -1, 2)
        drift = None
        if self.offsets is not None:
            moves = self.offsets(query, memory.key, ages)
            if options.carry:
                if memory.drift is not None:
                    moves = moves + options.carry * memory.drift
                drift = moves = moves.clamp(-MAX_DRIFT, MAX_DRIFT)
            points = points + moves
        elif options.stride == 1:
            return replace(memory, points=points)
        parts = [memory.key, *memory.value.chunk(PARTS, dim=2)]
        key, *value = (
            deform_sample(part.flatten(0, 1), points.flatten(0, 1))
            for part in parts
        )
        grid = (-(-h // options.stride), -(-w // options.stride))
        return MemoryFrames(
            key=key.unflatten(0, (batch, frames)).unflatten(3, grid),
            value=torch.cat(value, dim=1)
            .unflatten(0, (batch, frames))
            .unflatten(3, grid),
            points=points,
            drift=drift,
        )
