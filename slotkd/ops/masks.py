"""Soft maps resized, hard labels, and how tokens differ from neighbours."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Bool, Float, Integer, Shaped
from torch import Tensor
from torch.nn import functional as F

from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32

BORDERS = ('edge', 'omit')

# Each unordered pair of neighbours (t, y, x) once: five compares, not ten.
_SPATIAL_OFFSETS = ((0, 0, 1), (0, 1, -1), (0, 1, 0), (0, 1, 1))
_TEMPORAL_OFFSET = (1, 0, 0)


def hard_labels(maps: Float[Tensor, 'B T K N']) -> Integer[Tensor, 'B T N']:
    """Give each token the slot of its largest map.

    Args:
        maps: Logits or probabilities; both give the same labels.

    Returns:
        Slot indices, the lowest on a tie.
    """
    return maps.max(dim=2).indices  # argmax over an inner axis is 5x slower


def hard_masks(
    maps: Float[Tensor, 'T K N'], grid: tuple[int, int], size: tuple[int, int]
) -> Integer[Tensor, 'T H W']:
    """Resize soft maps bilinearly and give each pixel its strongest slot.

    Args:
        maps: Probabilities of each slot at each patch.
        grid: Patch grid (h, w).
        size: Height and width of the result.

    Returns:
        Slot index of each pixel, int64.

    Source:
        The protocol of martius-lab/slotcontrast@17b42b05.
    """
    labels = [
        F.interpolate(frame.unflatten(1, grid)[None], size, mode='bilinear')
        .squeeze(0)
        .max(dim=0)
        .indices
        for frame in maps
    ]
    return torch.stack(labels)


def resize_maps(
    maps: Float[Tensor, 'B T K N'],
    grid: tuple[int, int],
    target: tuple[int, int],
) -> Float[Tensor, 'B T K M']:
    """Resize maps bilinearly from one patch grid to another.

    Args:
        maps: Logits, or features with their channels before the tokens.
        grid: Patch grid (h, w) of the maps.
        target: Patch grid of the result.

    Returns:
        The maps on the other grid, at least in fp32; on the same grid the
        maps themselves.
    """
    if tuple(grid) == tuple(target):
        return maps
    images = at_least_fp32(maps).flatten(0, 1).unflatten(2, grid)
    resized = F.interpolate(images, target, mode='bilinear')
    return resized.flatten(2).unflatten(0, maps.shape[:2])


def pick_nearest(
    maps: Shaped[Tensor, '*batch H W'], shape: tuple[int, int]
) -> Shaped[Tensor, '*batch h w']:
    """Pick the nearest pixels of maps, corner pixel on corner pixel.

    Args:
        maps: Labels, or anything else by pixel.
        shape: Height and width of the result.
    """
    rows, columns = (
        torch.linspace(0, old - 1, new, device=maps.device).round().long()
        for old, new in zip(maps.shape[-2:], shape, strict=True)
    )
    return maps[..., rows[:, None], columns]


def one_hot_maps(
    labels: Integer[Tensor, 'B T N'], num_slots: int, dtype: torch.dtype
) -> Float[Tensor, 'B T {num_slots} N']:
    """Turn labels into 0/1 maps, the slot axis before the tokens."""
    slots = torch.arange(num_slots, device=labels.device, dtype=labels.dtype)
    return (labels[:, :, None] == slots[:, None]).to(dtype)


def differing_neighbours(
    labels: Integer[Tensor, 'B T h w'],
    border: str = 'edge',
    temporal: bool = True,
) -> Integer[Tensor, 'B T h w']:
    """Count the neighbours whose label differs, 0 to 10.

    Neighbours are the 8 around a token in its frame and the same position in
    the frame before and in the frame after.

    Args:
        labels: Labels; uint8 is the fastest.
        border: What lies outside the clip. ``edge`` replicates the labels in
            time, height and width, so a token at the rim may become its own
            neighbour; ``omit`` has no neighbour there.
        temporal: Whether the frames before and after count.

    Returns:
        Exact counts, uint8.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527, Sec. 3.3; border ``edge`` is
        wjun0830/SSync@4cee41a.
    """

    def distance(first: Tensor, second: Tensor) -> Tensor:
        return (first != second).view(torch.uint8)  # no cast before adding

    return _sum_over_neighbours(
        labels, distance, torch.uint8, border, temporal
    )


def soft_disagreement(
    maps: Float[Tensor, 'B T K h w'],
    border: str = 'edge',
    temporal: bool = True,
) -> Float[Tensor, 'B T h w']:
    """Sum 1 - <p(n), p(n')> over the neighbours n' of each token.

    Equals :func:`differing_neighbours` where the maps are one-hot.

    Args:
        maps: Probabilities, sum 1 over K.
        border: See :func:`differing_neighbours`.
        temporal: Whether the frames before and after count.

    Returns:
        Disagreement, 0 to 10.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527, ablation of soft selection.
    """

    def distance(first: Tensor, second: Tensor) -> Tensor:
        return 1 - (first * second).sum(dim=1)

    slots_first = maps.transpose(1, 2)
    return _sum_over_neighbours(
        slots_first, distance, maps.dtype, border, temporal
    )


def num_neighbours(
    shape: tuple[int, int, int],
    border: str = 'edge',
    temporal: bool = True,
    device: torch.device | None = None,
) -> Integer[Tensor, 'T h w']:
    """Count the neighbours of each token of a clip of T x h x w tokens."""
    if border == 'edge':
        every = len(_SPATIAL_OFFSETS) + int(temporal)
        return torch.full(shape, 2 * every, device=device, dtype=torch.uint8)
    inside = [
        torch.full((size,), 3, device=device, dtype=torch.uint8)
        for size in shape
    ]
    for axis in inside:
        axis[0] -= 1
        axis[-1] -= 1
    t, y, x = inside
    in_frame = y[:, None] * x - 1
    return in_frame + (t - 1)[:, None, None] * int(temporal)


def slots_touch(
    labels: Integer[Tensor, 'B T h w'], num_slots: int
) -> Bool[Tensor, 'B T {num_slots} {num_slots}']:
    """Tell which slots have 8-neighbouring tokens in a frame.

    Returns:
        Symmetric relation; the diagonal is set for a slot of two or more
        adjoining tokens.
    """
    b, t = labels.shape[:2]
    codes = [
        (labels[first].long() * num_slots + labels[second].long()).flatten(2)
        for first, second in _neighbour_views(temporal=False)
    ]
    touch = torch.zeros(
        b, t, num_slots**2, dtype=torch.bool, device=labels.device
    )
    touch.scatter_(2, torch.cat(codes, dim=2), True)
    touch = touch.view(b, t, num_slots, num_slots)
    return touch | touch.transpose(2, 3)


def _neighbour_views(temporal: bool) -> Iterator[tuple[tuple, tuple]]:
    """Yield slices of the last three axes that line up neighbour pairs."""
    offsets = _SPATIAL_OFFSETS
    for offset in (*offsets, _TEMPORAL_OFFSET) if temporal else offsets:
        first = tuple(slice(max(-d, 0), -d if d > 0 else None) for d in offset)
        second = tuple(slice(max(d, 0), d if d < 0 else None) for d in offset)
        yield (..., *first), (..., *second)


def _sum_over_neighbours(
    volume: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    dtype: torch.dtype,
    border: str,
    temporal: bool,
) -> Tensor:
    """Add up a symmetric distance to all neighbours, last axes T h w."""
    check_choice('border', border, BORDERS)
    if border == 'edge':
        volume = _replicate_rim(volume)
    sizes = volume.shape[-3:]
    total = volume.new_zeros((volume.shape[0], *sizes), dtype=dtype)
    for first, second in _neighbour_views(temporal):
        apart = distance(volume[first], volume[second])
        total[first].add_(apart)  # `+=` would copy the view onto itself
        total[second].add_(apart)
    if border == 'edge':
        total = total[..., 1:-1, 1:-1, 1:-1].contiguous()
    return total


def _replicate_rim(volume: Tensor) -> Tensor:
    """Repeat the outermost values once on each side of the last 3 axes."""
    for dim in (-3, -2, -1):
        size = volume.shape[dim]
        index = torch.arange(-1, size + 1, device=volume.device)
        volume = volume.index_select(dim, index.clamp(0, size - 1))
    return volume
