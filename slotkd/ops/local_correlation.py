"""Compare each cell of a map with a square window of another map."""

from functools import cache

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

MAX_DENSE_CELLS = 4096  # beyond, pairs of cells are too many
MAX_DENSE_RATIO = 20  # cells per cell of a window; beyond, shifting is faster


def local_logits(
    queries: Float[Tensor, 'B C h w'],
    keys: Float[Tensor, 'B C h w'],
    radius: int,
) -> Float[Tensor, 'B P h w']:
    """Return the products of each query with the keys around its cell.

    Args:
        queries: Features.
        keys: Features of another frame.
        radius: Cells of the window to each side.

    Returns:
        Products for the ``P = (2 radius + 1) ** 2`` cells of the window, row
        by row; -inf for those outside the map.
    """
    h, w = queries.shape[2:]
    if not pairs_pay(h * w, (2 * radius + 1) ** 2):
        return shifted_logits(queries, keys, radius)
    cells, outside = window_cells((h, w), radius, queries.device)
    products = queries.flatten(2).mT @ keys.flatten(2)
    picked = products.gather(2, cells.expand(len(queries), -1, -1))
    logits = picked.masked_fill(outside, -torch.inf)
    return logits.mT.unflatten(2, (h, w))


def pairs_pay(num_cells: int, window: int) -> bool:
    """Tell whether comparing all pairs of cells beats shifting the map.

    Args:
        num_cells: Cells of the map.
        window: Cells of a window.
    """
    few = min(MAX_DENSE_CELLS, MAX_DENSE_RATIO * window)
    return num_cells <= few


def shifted_logits(
    queries: Float[Tensor, 'B C h w'],
    keys: Float[Tensor, 'B C h w'],
    radius: int,
) -> Float[Tensor, 'B P h w']:
    """:func:`local_logits` without the products of all pairs, for large maps.

    Args:
        queries: As there.
        keys: As there.
        radius: As there.
    """
    h, w = queries.shape[2:]
    padded = F.pad(keys, (radius,) * 4)
    inside = F.pad(keys.new_ones(1, 1, h, w), (radius,) * 4)[:, 0] > 0
    side = 2 * radius + 1
    products = []
    for y in range(side):
        for x in range(side):
            rows, columns = slice(y, y + h), slice(x, x + w)
            product = (queries * padded[:, :, rows, columns]).sum(dim=1)
            seen = inside[:, rows, columns]
            products.append(product.masked_fill(~seen, -torch.inf))
    return torch.stack(products, dim=1)


@cache
def window_cells(
    grid: tuple[int, int], radius: int, device: torch.device
) -> tuple[Integer[Tensor, 'N P'], Bool[Tensor, 'N P']]:
    """List the cells of each cell's window.

    Args:
        grid: Cells (h, w) of the map.
        radius: Cells of the window to each side.
        device: Where the lists are.

    Returns:
        Flat indices, row by row, and which of them are outside the map;
        those point at a cell of the border.
    """
    steps = torch.arange(-radius, radius + 1, device=device)
    y, x = (
        torch.arange(length, device=device)[:, None] + steps for length in grid
    )
    h, w = grid
    outside = ((y < 0) | (y >= h))[:, None, :, None] | ((x < 0) | (x >= w))[
        None, :, None, :
    ]
    cells = (
        w * y.clamp(0, h - 1)[:, None, :, None] + x.clamp(0, w - 1)[:, None]
    )
    return cells.flatten(2).flatten(0, 1), outside.flatten(2).flatten(0, 1)


def read_local(
    attn: Float[Tensor, 'B P h w'], values: Float[Tensor, 'B V h w']
) -> Float[Tensor, 'B V h w']:
    """Sum the values of each cell's window with the given weights.

    Args:
        attn: Weights of the cells of the window, row by row; of cells
            outside the map 0.
        values: What is read.
    """
    h, w = values.shape[2:]
    if not pairs_pay(h * w, attn.shape[1]):
        return shifted_read(attn, values)
    radius = (round(attn.shape[1] ** 0.5) - 1) // 2
    cells, _ = window_cells((h, w), radius, values.device)
    weights = attn.flatten(2).mT
    full = weights.new_zeros(len(attn), h * w, h * w)
    full = full.scatter_add(2, cells.expand_as(weights), weights)
    return (values.flatten(2) @ full.mT).unflatten(2, (h, w))


def shifted_read(
    attn: Float[Tensor, 'B P h w'], values: Float[Tensor, 'B V h w']
) -> Float[Tensor, 'B V h w']:
    """:func:`read_local` without a full attention map, for large maps.

    Args:
        attn: As there.
        values: As there.
    """
    h, w = values.shape[2:]
    side = round(attn.shape[1] ** 0.5)
    padded = F.pad(values, ((side - 1) // 2,) * 4)
    result = torch.zeros_like(values)
    for index in range(side * side):
        y, x = divmod(index, side)
        window = padded[:, :, y : y + h, x : x + w]
        result = result + attn[:, index, None] * window
    return result


def coarse_rows(
    attn: Float[Tensor, 'B P h w'], step: int
) -> Float[Tensor, 'B N N']:
    """Write local weights into rows over the whole map, at a coarser grid.

    The queries are every ``step``-th cell, and so are the columns: a weight
    is shared bilinearly between the four columns around its cell.

    Args:
        attn: Weights of the cells of each query's window, row by row.
        step: Cells from one query to the next; ``(h - 1) % step == 0``, and
            likewise for w.

    Returns:
        One row for each query; rows keep their sum.
    """
    batch, count, h, w = attn.shape
    radius = (round(count**0.5) - 1) // 2
    grid = ((h - 1) // step + 1, (w - 1) // step + 1)
    sampled = attn[:, :, ::step, ::step].flatten(2).mT  # B N P
    offsets = torch.arange(-radius, radius + 1, device=attn.device)
    weights = []
    for length, cells in zip(grid, (h, w), strict=True):
        centres = step * torch.arange(length, device=attn.device)
        places = centres[:, None] + offsets
        near = 1 - (places[..., None] - centres).abs() / step
        in_map = (places >= 0) & (places < cells)
        shares = near.clamp(min=0) * in_map[..., None]
        weights.append(shares.to(attn.dtype))  # queries, window, columns
    rows, columns = weights
    window = sampled.unflatten(1, grid).unflatten(3, (len(offsets), -1))
    spread = torch.einsum('bijyx,iyk,jxl->bijkl', window, rows, columns)
    return spread.reshape(batch, grid[0] * grid[1], -1)
