"""Attention of each cell to a window of cells around it."""

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

from slotkd.ops.precision import at_least_fp32

TILE = 8
# Measured on one core: tiles win from about 2,500 cells on.
MAX_DENSE_CELLS = 2500


def local_attention(
    queries: Float[Tensor, 'B E h w'],
    keys: Float[Tensor, 'B E h w'],
    values: Float[Tensor, 'B C h w'],
    bias: Float[Tensor, 'B P h w'],
) -> Float[Tensor, 'B C h w']:
    """Let each cell read the values of the window centred on it.

    Products are divided by the root of E; cells outside the map do not
    count. On large maps computed tile by tile, so that time and memory grow
    with the number of cells and not with its square.

    Args:
        queries: Of the reading frame.
        keys: Of the frame that is read.
        values: Of the frame that is read.
        bias: Added to the logits; entry ``(dy + r) (2 r + 1) + dx + r`` is
            that of the cell (dx, dy) away, and P = (2 r + 1)^2.

    Returns:
        What each cell reads; the softmax is taken at least in fp32.

    Source:
        The short-term attention of Yang et al., AOT, NeurIPS 2021,
        arXiv:2106.02638. Differs: large maps are read tile by tile.
    """
    if queries.shape[2] * queries.shape[3] > MAX_DENSE_CELLS:
        return tiled_attention(queries, keys, values, bias)
    return dense_attention(queries, keys, values, bias)


def window_radius(num_cells: int) -> int:
    """Return r of a window of (2 r + 1)^2 cells.

    Raises:
        ValueError: If the number is no odd square.
    """
    side = round(num_cells**0.5)
    if side % 2 == 0 or side**2 != num_cells:
        raise ValueError(
            f'a window has (2 r + 1)^2 cells around its centre, got a bias '
            f'of {num_cells}'
        )
    return side // 2


def dense_attention(
    queries: Float[Tensor, 'B E h w'],
    keys: Float[Tensor, 'B E h w'],
    values: Float[Tensor, 'B C h w'],
    bias: Float[Tensor, 'B P h w'],
) -> Float[Tensor, 'B C h w']:
    """:func:`local_attention` by all pairs of cells."""
    grid = (queries.shape[2], queries.shape[3])
    cells, on_map = _whole_windows(
        grid, window_radius(bias.shape[1]), queries.device
    )
    products = _products(queries.flatten(2).mT, keys.flatten(2))
    cells = cells.expand(len(queries), -1, -1)
    logits = products.gather(2, cells) + bias.flatten(2).mT
    weights = _softmax_where(logits, on_map)
    # Cells beyond the border have weight 0, wherever they are written.
    spread = torch.zeros_like(products).scatter_add(2, cells, weights)
    return _read(spread, values)


def tiled_attention(
    queries: Float[Tensor, 'B E h w'],
    keys: Float[Tensor, 'B E h w'],
    values: Float[Tensor, 'B C h w'],
    bias: Float[Tensor, 'B P h w'],
    tile: int = TILE,
) -> Float[Tensor, 'B C h w']:
    """:func:`local_attention` of tiles to their neighbourhoods.

    Args:
        queries: As there.
        keys: As there.
        values: As there.
        bias: As there.
        tile: Side of a tile, in cells.
    """
    height, width = queries.shape[2:]
    radius = window_radius(bias.shape[1])
    side = tile + 2 * radius
    slots = _window_slots(tile, radius, queries.device)
    logits = _products(
        _cut(queries, tile, tile, 0), _cut(keys, tile, side, radius).mT
    )
    outside = slots == bias.shape[1]
    index = slots.masked_fill(outside, 0).expand_as(logits)
    logits = logits + _cut(bias, tile, tile, 0).gather(3, index)
    on_map = _cut(queries.new_ones(1, 1, height, width), tile, side, radius)
    weights = _softmax_where(logits, ~outside & (on_map.mT > 0))
    read = weights.to(values.dtype) @ _cut(values, tile, side, radius)
    return _join(read, tile, (height, width))


class _Window(NamedTuple):
    """Where the four neighbours of a window's points lie in a map.

    Args:
        cells: Flat index of the (2 r + 2)^2 cells around the points.
        share_x: Share of the right neighbour.
        share_y: Share of the lower neighbour.
        on_map: Which points lie on the map.
    """

    cells: Integer[Tensor, 'B N R']
    share_x: Float[Tensor, 'B N 1 1']
    share_y: Float[Tensor, 'B N 1 1']
    on_map: Bool[Tensor, 'B N P']


def shifted_attention(
    queries: Float[Tensor, 'B E h w'],
    keys: Float[Tensor, 'B E h w'],
    values: Float[Tensor, 'B C h w'],
    bias: Float[Tensor, 'B P h w'],
    offsets: Float[Tensor, 'B 2 h w'],
) -> Float[Tensor, 'B C h w']:
    """:func:`local_attention` with each window's centre displaced.

    Keys and values are interpolated bilinearly at the points of the
    displaced window, whose centre stays on the map. All points of a window
    share their place between cells, so the products are interpolated
    instead of the keys and the weights are shared out instead of the values:
    the same numbers, without a copy of the features for each window.

    Args:
        queries: As there.
        keys: As there.
        values: As there.
        bias: As there.
        offsets: Displacement (x, y) of each window, in cells.

    Source:
        Own design.
    """
    radius = window_radius(bias.shape[1])
    window = _displaced_windows(at_least_fp32(offsets), radius)
    products = _products(queries.flatten(2).mT, keys.flatten(2))
    corners = products.gather(2, window.cells)
    logits = _interpolate(corners, window) + bias.flatten(2).mT
    weights = _softmax_where(logits, window.on_map)
    spread = torch.zeros_like(products).scatter_add(
        2, window.cells, _share_out(weights, window)
    )
    return _read(spread, values)


def _displaced_windows(
    offsets: Float[Tensor, 'B 2 h w'], radius: int
) -> _Window:
    h, w = offsets.shape[2:]
    steps = torch.arange(-radius, radius + 2, device=offsets.device)
    cells, shares, seen = [], [], []
    for axis, length in ((0, w), (1, h)):
        place = torch.arange(length, device=offsets.device)
        place = place if axis == 0 else place[:, None]
        centre = (offsets[:, axis] + place).clamp(0, length - 1).flatten(1)
        low = centre.detach().floor()
        points = centre.detach()[..., None] + steps[:-1]
        seen.append((points >= -0.5) & (points < length - 0.5))
        shares.append((centre - low)[..., None, None])
        index = low.long()[..., None] + steps
        cells.append(index.clamp(0, length - 1))
    index = cells[1][..., :, None] * w + cells[0][..., None, :]
    on_map = seen[1][..., :, None] & seen[0][..., None, :]
    return _Window(
        cells=index.flatten(2),
        share_x=shares[0],
        share_y=shares[1],
        on_map=on_map.flatten(2),
    )


def _interpolate(
    corners: Float[Tensor, 'B N R'], window: _Window
) -> Float[Tensor, 'B N P']:
    """Return the values of a window's points from those of its cells."""
    side = round(corners.shape[2] ** 0.5)
    square = corners.unflatten(2, (side, side))
    rows = square[..., :-1, :].lerp(square[..., 1:, :], window.share_y)
    points = rows[..., :-1].lerp(rows[..., 1:], window.share_x)
    return points.flatten(2)


def _share_out(
    weights: Float[Tensor, 'B N P'], window: _Window
) -> Float[Tensor, 'B N R']:
    """Return the weights of a window's cells from those of its points."""
    side = round(weights.shape[2] ** 0.5)
    square = weights.unflatten(2, (side, side))
    right = square * window.share_x
    rows = F.pad(square - right, (0, 1)) + F.pad(right, (1, 0))
    lower = rows * window.share_y
    cells = F.pad(rows - lower, (0, 0, 0, 1)) + F.pad(lower, (0, 0, 1, 0))
    return cells.flatten(2)


def _products(
    queries: Float[Tensor, '*batch N E'], keys: Float[Tensor, '*batch E M']
) -> Float[Tensor, '*batch N M']:
    return at_least_fp32(queries * queries.shape[-1] ** -0.5 @ keys)


def _softmax_where(
    logits: Float[Tensor, '*batch'], mask: Bool[Tensor, '...']
) -> Float[Tensor, '*batch']:
    # Not -inf: a query beyond the map may see no key at all.
    floor = torch.finfo(logits.dtype).min
    return logits.masked_fill(~mask, floor).softmax(dim=-1)


def _read(
    weights: Float[Tensor, 'B N N'], values: Float[Tensor, 'B C h w']
) -> Float[Tensor, 'B C h w']:
    read = values.flatten(2) @ weights.to(values.dtype).mT
    return read.view_as(values)


@cache
def _whole_windows(
    grid: tuple[int, int], radius: int, device: torch.device
) -> tuple[Integer[Tensor, 'N P'], Bool[Tensor, 'N P']]:
    """Return the cells of each cell's window, and which are on the map."""
    steps = torch.arange(-radius, radius + 1, device=device)
    places = [
        torch.arange(length, device=device)[:, None] + steps for length in grid
    ]
    inside = [
        (place >= 0) & (place < length)
        for place, length in zip(places, grid, strict=True)
    ]
    y, x = (
        place.clamp(0, length - 1)
        for place, length in zip(places, grid, strict=True)
    )
    cells = y[:, None, :, None] * grid[1] + x[None, :, None, :]
    on_map = inside[0][:, None, :, None] & inside[1][None, :, None, :]
    return (
        cells.flatten(2).flatten(0, 1),
        on_map.flatten(2).flatten(0, 1),
    )


@cache
def _window_slots(
    tile: int, radius: int, device: torch.device
) -> Integer[Tensor, 'N M']:
    """Return the place of each key around a tile in each query's window.

    It is (2 r + 1)^2 where the key is outside the window.
    """
    side = 2 * radius + 1
    query = torch.arange(tile, device=device)[:, None]
    delta = torch.arange(tile + 2 * radius, device=device) - query
    dy, dx = delta[:, None, :, None], delta[None, :, None, :]
    inside = (dy >= 0) & (dy < side) & (dx >= 0) & (dx < side)
    slots = (dy * side + dx).where(inside, side**2)
    return slots.flatten(2).flatten(0, 1)


def _cut(
    maps: Float[Tensor, 'B C h w'], tile: int, side: int, margin: int
) -> Float[Tensor, 'B _ _ C']:
    """Return the cells of the squares around all tiles of a map.

    Channels go last first, so that whole cells are copied.
    """
    height, width = maps.shape[2:]
    down, right = -height % tile + margin, -width % tile + margin
    cells = maps.permute(0, 2, 3, 1).contiguous()
    padded = F.pad(cells, (0, 0, margin, right, margin, down))
    squares = padded.unfold(1, side, tile).unfold(2, side, tile)
    return squares.permute(0, 1, 2, 4, 5, 3).flatten(3, 4).flatten(1, 2)


def _join(
    tiles: Float[Tensor, 'B _ _ C'], tile: int, grid: tuple[int, int]
) -> Float[Tensor, 'B C h w']:
    """Undo :func:`_cut` for tiles without margin."""
    rows, columns = (-(-length // tile) for length in grid)
    maps = tiles.unflatten(1, (rows, columns)).unflatten(3, (tile, tile))
    maps = maps.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)
    return maps[..., : grid[0], : grid[1]]
