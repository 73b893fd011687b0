"""Which frames the long-term memory keeps."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from slotkd.ops.choices import check_choice
from slotkd.structures import MemoryFrames

POLICIES = ('ref_ring', 'ref_prev')


@dataclass(frozen=True, kw_only=True)
class MemoryPolicy:
    """Keep references for ever and at most a few later frames.

    The size of the memory does not grow with the length of a video. A
    reference is a frame whose masks were given: the first, and those in
    which objects were given later.

    Args:
        policy: ``'ref_ring'``: the references and a ring of the latest
            ``n_mem`` stored frames. ``'ref_prev'``: the references alone;
            the frame before is in the short-term memory anyway.
        n_mem: Frames of the ring.
        gap: Frames from one stored frame to the next.
        train_gap: The same for training clips, which are short.

    Raises:
        ValueError: If the policy is unknown or a number below 1.

    Source:
        The policies of DeAOT-T and -L, arXiv:2210.09782. Differs: L keeps
        every frame it ever stored.
    """

    policy: str = 'ref_ring'
    n_mem: int = 3
    gap: int = 5
    train_gap: int = 2

    def __post_init__(self) -> None:
        check_choice('policy', self.policy, POLICIES)
        for name in ('n_mem', 'gap', 'train_gap'):
            if getattr(self, name) < 1:
                raise ValueError(
                    f'{name} must be at least 1, got {getattr(self, name)}'
                )

    def is_due(self, time: int, last: int, training: bool) -> bool:
        """Tell whether a frame is stored in the long-term memory.

        Args:
            time: The frame.
            last: The frame stored last.
            training: Whether the clip is one of training.
        """
        if self.policy == 'ref_prev':
            return False
        return time - last >= (self.train_gap if training else self.gap)

    def kept(self, count: int, num_references: int) -> list[int]:
        """Return which of ``count`` stored frames stay, oldest first."""
        ring = list(range(num_references, count))
        return [*range(num_references), *ring[-self.n_mem :]]


def join_memories(memories: Sequence[MemoryFrames]) -> MemoryFrames:
    """Return the frames of several memories of one layer as one.

    A frame without displacement, among others with, starts from zero.
    """
    drifts: list[Tensor | None] = [memory.drift for memory in memories]
    known = next((drift for drift in drifts if drift is not None), None)
    if known is not None:
        drifts = [
            known.new_zeros(len(known), memory.key.shape[1], *known.shape[2:])
            if memory.drift is None
            else memory.drift
            for memory in memories
        ]
    points = [memory.points for memory in memories]
    return MemoryFrames(
        key=torch.cat([memory.key for memory in memories], dim=1),
        value=torch.cat([memory.value for memory in memories], dim=1),
        points=_join(points),
        drift=_join(drifts),
    )


def pick_frames(memory: MemoryFrames, kept: Sequence[int]) -> MemoryFrames:
    """Return some frames of a memory, in the given order."""
    index = torch.tensor(kept, device=memory.key.device)
    return MemoryFrames(
        key=memory.key.index_select(1, index),
        value=memory.value.index_select(1, index),
        points=_pick(memory.points, index),
        drift=_pick(memory.drift, index),
    )


def _join(parts: Sequence[Tensor | None]) -> Tensor | None:
    tensors = [part for part in parts if part is not None]
    return torch.cat(tensors, dim=1) if tensors else None


def _pick(part: Tensor | None, index: Tensor) -> Tensor | None:
    return None if part is None else part.index_select(1, index)
