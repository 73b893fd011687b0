"""Small segmentors of mmsegmentation, and records as they give them."""

import torch

from slotkd.structures import SegOutput

NUM_CLASSES = 5


def record(
    num_classes: int = NUM_CLASSES,
    grid: tuple[int, int] = (4, 6),
    channels: tuple[int, ...] = (6, 8),
    dtype: torch.dtype = torch.float32,
    **fields,
) -> SegOutput:
    """Return a random record; each level halves the grid.

    Args:
        num_classes: Channels of the logits.
        grid: Grid of the logits and of the first level.
        channels: Channels of each level.
        dtype: Of the maps.
        fields: Fields to replace.
    """
    h, w = grid
    maps = dict(
        logits=torch.randn(2, num_classes, h, w, dtype=dtype),
        feats=tuple(
            torch.randn(2, c, h >> level, w >> level, dtype=dtype)
            for level, c in enumerate(channels)
        ),
    )
    return SegOutput(**maps | fields)
