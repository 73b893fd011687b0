"""The propagator: layers and their memory, frame by frame."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.propagation.deformable_read import Reading
from slotkd.models.propagation.gated_deform import (
    FrameProjection,
    GatedDeformLayer,
)
from slotkd.models.propagation.gated_output import Grid, to_map
from slotkd.models.propagation.gdpm_options import GdpmOptions
from slotkd.models.propagation.memory_policy import (
    MemoryPolicy,
    join_memories,
    pick_frames,
)
from slotkd.models.propagation.offset_network import OffsetNetwork
from slotkd.models.propagation.position_bias import LogPositionBias
from slotkd.registry import MODELS
from slotkd.structures import MemoryFrames, VosState

Tokens = Float[Tensor, 'B N D']


@dataclass(frozen=True, kw_only=True)
class PropagatedFrame:
    """A frame that has read the memory and is not yet part of it.

    Args:
        streams: Both streams after the last layer, one after the other.
        readings: What each layer read.
        projections: The frame in each layer, to be remembered.
        time: Its number.
    """

    streams: Float[Tensor, 'B C h w']
    readings: tuple[Reading, ...]
    projections: tuple[FrameProjection, ...]
    time: int


@MODELS.register_module()
class MaskPropagator(nn.Module):
    """Carry the identities of objects from frame to frame.

    :meth:`start` with the first frame and its masks; then for each frame
    :meth:`step`, and :meth:`write` with the masks it turned out to have.

    Args:
        token_dim: Channels D of a stream; a multiple of 16.
        num_layers: Layers.
        gdpm: Arguments of :class:`GdpmOptions`.
        memory: Arguments of :class:`MemoryPolicy`.
        radius: Radius of the short-term window, in cells.
        dropout: Probability that a channel of an update is dropped.
        drop_path: Probability that a sample's self-propagation is dropped.

    Raises:
        ValueError: If an option is out of range.

    Source:
        Yang et al., DeAOT, NeurIPS 2022, arXiv:2210.09782.
    """

    layers: Any  # of GatedDeformLayer

    def __init__(
        self,
        token_dim: int = 256,
        *,
        num_layers: int = 1,
        gdpm: Mapping[str, Any] | None = None,
        memory: Mapping[str, Any] | None = None,
        radius: int = 7,
        dropout: float | int = 0.1,
        drop_path: float | int = 0.1,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(
                f'num_layers must be at least 1, got {num_layers}'
            )
        options = GdpmOptions(**gdpm or {})
        self.policy = MemoryPolicy(**memory or {})
        self.token_dim = token_dim
        self.layers = nn.ModuleList(
            GatedDeformLayer(
                token_dim,
                is_first=index == 0,
                options=options,
                radius=radius,
                dropout=dropout,
                drop_path=drop_path,
            )
            for index in range(num_layers)
        )
        for module in self.modules():
            _init_projection(module)
        for module in self.modules():
            if isinstance(module, OffsetNetwork | LogPositionBias):
                module.zero_init()

    def start(
        self, tokens: Tokens, grid: Grid, id_tokens: Tokens, time: int = 0
    ) -> tuple[PropagatedFrame, VosState]:
        """Begin with a frame whose masks are known; it reads itself.

        Args:
            tokens: The frame.
            grid: Token grid (h, w).
            id_tokens: Its masks, through the identity bank.
            time: Its number.
        """
        streams: tuple[Tensor, Tensor | None] = (tokens, None)
        long, short, readings, projections = [], [], [], []
        now = torch.zeros(1, dtype=torch.long, device=tokens.device)
        for layer in self.layers:
            frame = layer.project(*streams, grid)
            memory = layer.remember(frame, id_tokens)
            stored = layer.store(frame, memory)
            streams, reading = layer(
                streams,
                frame,
                long=stored,
                short=memory,
                ages=now,
                short_age=0,
            )
            long.append(stored)
            short.append(memory)
            readings.append(reading)
            projections.append(frame)
        state = VosState(
            long=tuple(long),
            short=tuple(short),
            times=(time,),
            num_references=1,
            time=time,
            grid=grid,
        )
        started = PropagatedFrame(
            streams=_joined(streams, grid),
            readings=tuple(readings),
            projections=tuple(projections),
            time=time,
        )
        return started, state

    def step(self, tokens: Tokens, state: VosState) -> PropagatedFrame:
        """Let the next frame read the memory.

        Args:
            tokens: The frame, on the grid of the memory.
            state: The memory.
        """
        time = state.time + 1
        ages = torch.tensor(
            [time - seen for seen in state.times], device=tokens.device
        )
        streams: tuple[Tensor, Tensor | None] = (tokens, None)
        readings, projections = [], []
        for layer, long, short in zip(
            self.layers, state.long, state.short, strict=True
        ):
            frame = layer.project(*streams, state.grid)
            streams, reading = layer(
                streams, frame, long=long, short=short, ages=ages
            )
            readings.append(reading)
            projections.append(frame)
        return PropagatedFrame(
            streams=_joined(streams, state.grid),
            readings=tuple(readings),
            projections=tuple(projections),
            time=time,
        )

    def write(
        self, state: VosState, frame: PropagatedFrame, id_tokens: Tokens
    ) -> VosState:
        """Remember a frame, now that its masks are known.

        Args:
            state: The memory that the frame has read.
            frame: The frame.
            id_tokens: Its masks, through the identity bank.
        """
        short = [
            layer.remember(projection, id_tokens)
            for layer, projection in zip(
                self.layers, frame.projections, strict=True
            )
        ]
        long = [reading.memory for reading in frame.readings]
        times = state.times
        if self.policy.is_due(frame.time, max(times), self.training):
            stored = [
                layer.store(projection, memory)
                for layer, projection, memory in zip(
                    self.layers, frame.projections, short, strict=True
                )
            ]
            times = (*times, frame.time)
            kept = self.policy.kept(len(times), state.num_references)
            long = [
                _appended(memory, new, kept)
                for memory, new in zip(long, stored, strict=True)
            ]
            times = tuple(times[index] for index in kept)
        return replace(
            state,
            long=tuple(long),
            short=tuple(short),
            times=times,
            time=frame.time,
        )

    def add_reference(self, state: VosState, started: VosState) -> VosState:
        """Return a memory with one more reference, which is never dropped.

        Displacements that carry over begin anew.

        Args:
            state: The memory.
            started: What :meth:`start` returned for the reference.
        """
        count = state.num_references
        total = len(state.times) + 1
        order = [*range(count), total - 1, *range(count, total - 1)]
        times = (*state.times, *started.times)
        return replace(
            started,
            long=tuple(
                pick_frames(
                    join_memories([replace(memory, drift=None), new]), order
                )
                for memory, new in zip(state.long, started.long, strict=True)
            ),
            times=tuple(times[index] for index in order),
            num_references=count + 1,
        )


def _appended(
    memory: MemoryFrames, new: MemoryFrames, kept: list[int]
) -> MemoryFrames:
    joined = join_memories([memory, new])
    if len(kept) == joined.key.shape[1]:
        return joined
    return pick_frames(joined, kept)


def _joined(
    streams: tuple[Tensor, Tensor | None], grid: Grid
) -> Float[Tensor, 'B C h w']:
    visual, identity = streams
    assert identity is not None
    return to_map(torch.cat([visual, identity], dim=2), grid)


def _init_projection(module: nn.Module) -> None:
    """Initialise as DeAOT does: Xavier for everything with two axes."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
