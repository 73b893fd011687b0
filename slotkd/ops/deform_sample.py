"""Read feature maps at points between their cells.

Points are (x, y) in cells: (0, 0) is the centre of the first cell and
(w - 1, h - 1) that of the last. Beyond them the border is repeated.
"""

import importlib.util
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def reference_points(
    grid: tuple[int, int], stride: int, like: Tensor
) -> Float[Tensor, 'M 2']:
    """Spread points evenly over a map, one for each block of cells.

    Coordinate i of an axis of h cells is ``(i + 0.5) h / ceil(h / stride)
    - 0.5``. With stride 1 the points are the cells themselves.

    Args:
        grid: Cells (h, w) of the map.
        stride: Cells from one point to the next, about.
        like: Gives device and type.

    Returns:
        Points (x, y) in cells, row by row.

    Source:
        Own design. LeapLabTHU/DAT@2f31405:models/dat_blocks.py adds
        0.5 and divides by h - 1, with which points without offset miss
        their cells.
    """
    y, x = torch.meshgrid(
        *(_centres(length, stride, like) for length in grid), indexing='ij'
    )
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def _centres(length: int, stride: int, like: Tensor) -> Tensor:
    count = -(-length // stride)
    steps = torch.arange(count, device=like.device, dtype=like.dtype)
    return (steps + 0.5) * (length / count) - 0.5


def normalize_points(
    points: Float[Tensor, '*batch 2'], grid: tuple[int, int]
) -> Float[Tensor, '*batch 2']:
    """Express points in cells so that -1 and 1 are the border cells' centres.

    An axis of one cell has no extent: its coordinate becomes 0.

    Args:
        points: (x, y) in cells.
        grid: Cells (h, w) of the map.
    """
    h, w = grid
    last = points.new_tensor([w - 1, h - 1])
    return torch.where(last > 0, 2 * points / last.clamp(min=1) - 1, 0)


def deform_sample(
    maps: Float[Tensor, 'B C h w'], points: Float[Tensor, 'B G M 2']
) -> Float[Tensor, 'B C M']:
    """Interpolate maps bilinearly at points, with the border repeated.

    The channels fall into G groups of equal size, each with points of its
    own. Gradients reach the maps, and the points where they are inside. On
    CUDA the kernel of a compiled mmcv is used where there is one.

    Args:
        maps: Features.
        points: (x, y) in cells.

    Returns:
        The values at the points, at least in fp32 if the points are.

    Raises:
        ValueError: If the channels do not divide into the groups.

    Source:
        Xia et al., DAT, CVPR 2022, arXiv:2201.00520, for the bilinear
        re-sampling. Differs: the border is repeated, not zero.
    """
    if maps.shape[1] % points.shape[1]:
        raise ValueError(
            f'{maps.shape[1]} channels do not divide into {points.shape[1]} '
            'groups of one displacement each'
        )
    maps = maps.to(points.dtype)
    if maps.is_cuda and has_mmcv_kernel():
        return sample_by_mmcv(maps, points)
    return sample_by_torch(maps, points)


def sample_by_torch(
    maps: Float[Tensor, 'B C h w'], points: Float[Tensor, 'B G M 2']
) -> Float[Tensor, 'B C M']:
    """:func:`deform_sample` in plain torch, on any device."""
    groups = points.shape[1]
    folded = maps.unflatten(1, (groups, -1)).flatten(0, 1)
    places = normalize_points(points, (maps.shape[2], maps.shape[3]))
    values = F.grid_sample(
        folded,
        places.flatten(0, 1).unsqueeze(1),
        mode='bilinear',
        padding_mode='border',
        align_corners=True,
    )
    return values.reshape(len(maps), maps.shape[1], -1)


def mmcv_arguments(
    maps: Float[Tensor, 'B C h w'], points: Float[Tensor, 'B G M 2']
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Say in mmcv's terms what :func:`deform_sample` reads.

    Each group is a head with one level, one point and weight 1. mmcv counts
    edge to edge and pads with zeros: clamping the points to the centres of
    the border cells repeats the border.

    Returns:
        Values, shape of the level, places and weights, for
        ``mmcv.ops.multi_scale_deform_attn``.
    """
    batch, groups, count, _ = points.shape
    size = maps.new_tensor([maps.shape[3], maps.shape[2]])
    inside = points.clamp(min=0).minimum(size - 1)
    places = ((inside + 0.5) / size).transpose(1, 2)
    value = maps.flatten(2).transpose(1, 2).unflatten(2, (groups, -1))
    shapes = torch.tensor([maps.shape[2:]], device=maps.device)
    weights = maps.new_ones(batch, count, groups, 1, 1)
    return (
        value.contiguous(),
        shapes,
        places[:, :, :, None, None].contiguous(),
        weights,
    )


def sample_by_mmcv(
    maps: Float[Tensor, 'B C h w'], points: Float[Tensor, 'B G M 2']
) -> Float[Tensor, 'B C M']:
    """:func:`deform_sample` by the CUDA kernel of a compiled mmcv."""
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction,
    )

    value, shapes, places, weights = mmcv_arguments(maps, points)
    begin = shapes.new_zeros(1)
    values = MultiScaleDeformableAttnFunction.apply(
        value, shapes, begin, places, weights, len(maps)
    )
    return values.transpose(1, 2)


@cache
def has_mmcv_kernel() -> bool:
    """Tell whether the installed mmcv has its compiled operators."""
    spec = importlib.util.find_spec('mmcv._ext')
    return spec is not None and spec.loader is not None
