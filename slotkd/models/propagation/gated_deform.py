"""The gated propagation layer: reads from memory, streams updated."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.propagation.deformable_read import DeformableRead, Reading
from slotkd.models.propagation.gated_output import (
    GatedOutput,
    Grid,
    to_map,
)
from slotkd.models.propagation.gdpm_options import GdpmOptions
from slotkd.models.propagation.self_propagation import SelfPropagation
from slotkd.models.propagation.window_read import WindowRead
from slotkd.structures import MemoryFrames

Tokens = Float[Tensor, 'B N D']


@dataclass(frozen=True, kw_only=True)
class FrameProjection:
    """What a layer computes from a frame before it reads any memory.

    Args:
        query: Query, and key of the frame when it is remembered.
        visual: Value of what the frame looks like.
        gate: Gate of what is read.
        identity: The identity stream, normalised; None in the first layer.
    """

    query: Float[Tensor, 'B E h w']
    visual: Float[Tensor, 'B V h w']
    gate: Float[Tensor, 'B N G']
    identity: Float[Tensor, 'B N D'] | None


class GatedDeformLayer(nn.Module):
    """One layer of two streams: what a frame looks like, and whose it is.

    Both streams read the long-term memory at displaced points and a window
    of the frame before with one attention map each, through a gate; then
    they spread over the frame. The identity stream begins in the first
    layer. There is no positional embedding.

    Args:
        token_dim: Channels D of a stream; keys have D / 2, values 2 D.
        is_first: Whether the layer has no identity stream to start from.
        options: Options of the deformable read.
        radius: Radius of the short-term window, in cells.
        dropout: Probability that a channel of an update is dropped.
        drop_path: Probability that a sample's self-propagation is dropped.

    Raises:
        ValueError: If keys or values do not divide into the groups.

    Source:
        Yang et al., DeAOT, NeurIPS 2022, arXiv:2210.09782; layout of
        yoxu515/aot-benchmark@04fe7d9:networks/layers/transformer.py. The
        deformable read: see :class:`DeformableRead`.
    """

    def __init__(
        self,
        token_dim: int,
        *,
        is_first: bool,
        options: GdpmOptions,
        radius: int = 7,
        dropout: float | int = 0.1,
        drop_path: float | int = 0.1,
    ) -> None:
        super().__init__()
        self.key_dim, self.value_dim = token_dim // 2, 2 * token_dim
        if self.key_dim % options.groups:
            raise ValueError(
                f'groups is {options.groups}, which does not divide the '
                f'{self.key_dim} channels of a key (token_dim / 2)'
            )
        self.norm = nn.LayerNorm(token_dim)
        self.query_value = nn.Linear(token_dim, self.key_dim + self.value_dim)
        self.gate = nn.Linear(token_dim, self.value_dim)
        if is_first:
            self.identity_norm = None
            self.identity_gate = None
            self.identity_value = nn.Linear(token_dim, self.value_dim)
        else:
            self.identity_norm = nn.LayerNorm(token_dim)
            self.identity_gate = nn.Linear(token_dim, self.value_dim)
            self.identity_value = nn.Linear(2 * token_dim, self.value_dim)
        self.long_read = DeformableRead(self.key_dim, options)
        self.short_read = WindowRead(self.key_dim, options, radius=radius)
        self.long_out, self.short_out = (
            GatedOutput(2 * self.value_dim, 2 * token_dim, dropout=dropout)
            for _ in range(2)
        )
        self.self_propagation = SelfPropagation(
            token_dim, self.key_dim, dropout=dropout, drop_path=drop_path
        )
        self.is_frozen = options.bank == 'frozen'

    def project(
        self, visual: Tokens, identity: Tokens | None, grid: Grid
    ) -> FrameProjection:
        """Project a frame.

        Args:
            visual: What the frame looks like.
            identity: Whose it is; None in the first layer.
            grid: Token grid (h, w).
        """
        normed = self.norm(visual)
        query, value = self.query_value(normed).split(
            [self.key_dim, self.value_dim], dim=2
        )
        gate = F.silu(self.gate(normed))
        other = torch.ones_like(gate)
        if self.identity_norm is not None:
            assert self.identity_gate is not None
            identity = self.identity_norm(identity)
            other = F.silu(self.identity_gate(identity))
        return FrameProjection(
            query=to_map(query, grid),
            visual=to_map(F.silu(value), grid),
            gate=torch.cat([gate, other], dim=2),
            identity=identity,
        )

    def remember(
        self, frame: FrameProjection, id_tokens: Tokens
    ) -> MemoryFrames:
        """Return a frame as a memory, once its masks are known.

        Args:
            frame: The frame.
            id_tokens: Its masks, through the identity bank.
        """
        seen = id_tokens
        if frame.identity is not None:
            seen = torch.cat([frame.identity, id_tokens], dim=2)
        grid = (frame.query.shape[2], frame.query.shape[3])
        value = to_map(F.silu(self.identity_value(seen)), grid)
        return MemoryFrames(
            key=frame.query[:, None].contiguous(),
            value=torch.cat([frame.visual, value], dim=1)[:, None],
        )

    def store(
        self, frame: FrameProjection, memory: MemoryFrames
    ) -> MemoryFrames:
        """Return a frame as the long-term memory keeps it.

        Args:
            frame: The frame.
            memory: The same, remembered.
        """
        if not self.is_frozen:
            return memory
        now = torch.zeros(1, dtype=torch.long, device=memory.key.device)
        return self.long_read.sample(frame.query, memory, now)

    def forward(
        self,
        streams: tuple[Tokens, Tokens | None],
        frame: FrameProjection,
        *,
        long: MemoryFrames,
        short: MemoryFrames,
        ages: Integer[Tensor, ' F'],
        short_age: int = 1,
    ) -> tuple[tuple[Tokens, Tokens], Reading]:
        """Read both memories and update the streams.

        Args:
            streams: Visual and identity stream of the frame.
            frame: Its projection.
            long: Long-term memory.
            short: The frame before.
            ages: Frames since each frame of the long-term memory.
            short_age: Frames since ``short``.

        Returns:
            The streams, and what the long-term read did.
        """
        grid = (frame.query.shape[2], frame.query.shape[3])
        reading = self.long_read(frame.query, long, ages)
        window = self.short_read(frame.query, short, short_age)
        update = self.long_out(reading.value, frame.gate, grid)
        update = update + self.short_out(window, frame.gate, grid)
        on_visual, on_identity = update.chunk(2, dim=2)
        visual, identity = streams
        if identity is not None:
            on_identity = identity + on_identity
        spread = self.self_propagation(visual + on_visual, on_identity, grid)
        return spread, reading
