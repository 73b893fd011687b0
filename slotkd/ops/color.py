"""Colour spaces, and random changes of colour."""

import torch
from jaxtyping import Float
from torch import Tensor

# sRGB to CIE XYZ under D65, divided by the white point.
_XYZ = (
    (0.412453 / 0.950456, 0.357580 / 0.950456, 0.180423 / 0.950456),
    (0.212671, 0.715160, 0.072169),
    (0.019334 / 1.088754, 0.119193 / 1.088754, 0.950227 / 1.088754),
)
_GREY = (0.299, 0.587, 0.114)


def rgb_to_lab(images: Float[Tensor, 'B 3 H W']) -> Float[Tensor, 'B 3 H W']:
    """Convert sRGB to CIE L*a*b* with all channels scaled to about [-1, 1].

    Args:
        images: Red, green and blue in [0, 1].

    Returns:
        ``L / 50 - 1``, ``a / 127`` and ``b / 127``.

    Source:
        IEC 61966-2-1 and CIE 15; the scaling is that of zlai0/MAST.
    """
    images = images.clamp(0, 1)
    linear = torch.where(
        images > 0.04045,
        ((images + 0.055) / 1.055) ** 2.4,
        images / 12.92,
    )
    with torch.autocast(images.device.type, enabled=False):
        xyz = torch.einsum('cd,bdhw->bchw', images.new_tensor(_XYZ), linear)
    root = torch.where(
        xyz > 0.008856,
        xyz.clamp(min=0.008856) ** (1 / 3),
        7.787 * xyz + 16 / 116,
    )
    x, y, z = root.unbind(1)
    lightness = 116 * y - 16
    return torch.stack(
        [lightness / 50 - 1, 500 * (x - y) / 127, 200 * (y - z) / 127], dim=1
    )


def jitter_colors(
    inputs: Float[Tensor, 'B T 3 H W'],
    *,
    brightness: float | int = 0.4,
    contrast: float | int = 0.4,
    saturation: float | int = 0.4,
    grey_prob: float | int = 0.0,
) -> Float[Tensor, 'B T 3 H W']:
    """Change brightness, contrast and saturation of each clip at random.

    All frames of a clip are changed alike. Meant for images normalised with
    one mean and one deviation for all channels, around 0. The draw is torch's
    own, on the device of the images.

    Args:
        inputs: Normalised frames.
        brightness: Largest shift, in the units of the images.
        contrast: Largest change of the deviation from 0, as a share.
        saturation: Largest change of the deviation from grey, as a share.
        grey_prob: Share of the clips that lose all colour.
    """
    shape = (len(inputs), 1, 1, 1, 1)

    def draw(width: float | int) -> Tensor:
        return width * (2 * torch.rand(shape, device=inputs.device) - 1)

    weights = inputs.new_tensor(_GREY).view(3, 1, 1)
    grey = (inputs * weights).sum(dim=2, keepdim=True)
    keeps = torch.rand(shape, device=inputs.device) >= grey_prob
    strength = (1 + draw(saturation)) * keeps
    colored = grey + strength * (inputs - grey)
    return (1 + draw(contrast)) * colored + draw(brightness)
