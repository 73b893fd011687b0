"""Sizes and resizing in which corner pixels stay on corner pixels."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def aligned_size(size: tuple[int, int], stride: int = 16) -> tuple[int, int]:
    """Return the nearest size of ``stride * k + 1``, k at least 1.

    At such a size the cells of every stride that divides ``stride`` lie on
    pixels, from corner to corner.

    Args:
        size: Height and width.
        stride: Pixels from cell to cell.
    """
    height, width = (
        max(round((side - 1) / stride), 1) * stride + 1 for side in size
    )
    return height, width


def resize_aligned(
    maps: Float[Tensor, 'B C _ _'], size: tuple[int, int]
) -> Float[Tensor, 'B C {size[0]} {size[1]}']:
    """Resize maps bilinearly, corner pixel on corner pixel.

    Args:
        maps: Maps or images.
        size: Height and width of the result.
    """
    if tuple(maps.shape[2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size, mode='bilinear', align_corners=True)
