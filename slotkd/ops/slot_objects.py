"""Which slots of a frame are objects, and which is the background."""

import torch
from jaxtyping import Integer
from torch import Tensor


def slots_to_objects(
    slots: Integer[Tensor, 'H W'],
    *,
    max_objects: int = 10,
    min_share: float | int = 0.002,
) -> Integer[Tensor, 'H W']:
    """Turn the slots of a frame into objects to follow.

    The slot with the most pixels on the frame's border is the background;
    slots with fewer pixels than ``min_share`` of the frame join it.

    Args:
        slots: Slot of each pixel; 255 where none was computed.
        max_objects: The largest that many are kept.
        min_share: Smallest share of the frame, in [0, 1].

    Returns:
        1 and on from the largest object to the smallest, 0 background.

    Raises:
        ValueError: If a number is out of range, or no slot is left.

    Source:
        Own design.
    """
    if max_objects < 1 or not 0 <= min_share <= 1:
        raise ValueError(
            'max_objects must be at least 1 and min_share in [0, 1], got '
            f'{max_objects} and {min_share}'
        )
    border = torch.cat([slots[0], slots[-1], slots[1:-1, 0], slots[1:-1, -1]])
    sizes = _counts(slots.flatten())
    background = int(_counts(border).argmax())
    sizes[background] = 0
    sizes[sizes < max(min_share * slots.numel(), 1)] = 0
    order = sizes.argsort(descending=True, stable=True)
    chosen = order[sizes[order] > 0][:max_objects]
    if not len(chosen):
        raise ValueError(
            f'no slot but the background (slot {background}) has at least '
            f'{min_share:.1%} of the frame, so there is nothing to follow'
        )
    table = torch.zeros(256, dtype=torch.long, device=slots.device)
    table[chosen] = torch.arange(1, len(chosen) + 1, device=slots.device)
    return table[slots.long()]


def _counts(labels: Integer[Tensor, ' N']) -> Integer[Tensor, '256']:
    counts = torch.bincount(labels, minlength=256)
    counts[255] = 0
    return counts
