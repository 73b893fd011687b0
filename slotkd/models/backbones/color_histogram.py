"""Parameter-free soft colour histograms of patches."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from mmengine.model import BaseModule
from torch import Tensor

from slotkd.registry import MODELS


def color_histogram(
    images: Float[Tensor, 'B 3 H W'],
    patch_size: int,
    *,
    num_bins: int = 3,
    softness: float = 0.3,
) -> Float[Tensor, 'B C h w']:
    """Return how much of each patch has each of a lattice of colours.

    Every pixel is shared among ``num_bins ** 3`` colours on a lattice over
    [-1, 1] in each channel, by a softmax of minus its squared distance over
    ``softness``; each patch averages its pixels. A patch that two objects
    share has the mixture of their histograms, which is what decoders that
    mix slots by masks can draw exactly.

    Args:
        images: RGB in [-1, 1].
        patch_size: Side of a patch in pixels.
        num_bins: Lattice points along each channel.
        softness: Squared distance at which a colour loses a factor e.

    Returns:
        Shares that sum to the root of their number, so that a channel has a
        spread of about 1 whatever ``num_bins`` is.

    Raises:
        ValueError: If the image does not consist of whole patches.

    Source:
        Own design for runs without a network.
    """
    height, width = images.shape[-2:]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f'image size {height}x{width} is no multiple of '
            f'patch_size={patch_size}'
        )
    levels = torch.linspace(-1, 1, num_bins).to(images)[:, None, None]
    # A softmax over a lattice of squared distances is the product of one
    # softmax for each channel.
    distance = (images.unsqueeze(2) - levels).square()
    red, green, blue = (-distance / softness).softmax(dim=2).unbind(1)
    pairs = (red.unsqueeze(2) * green.unsqueeze(1)).flatten(1, 2)
    shares = (pairs.unsqueeze(2) * blue.unsqueeze(1)).flatten(1, 2)
    return F.avg_pool2d(shares, patch_size) * num_bins**1.5


@MODELS.register_module()
class ColorHistogram(BaseModule):
    """:func:`color_histogram` as a frozen backbone.

    Args:
        patch_size: Side of a patch in pixels.
        num_bins: Lattice points along each colour channel.
        softness: Squared distance at which a colour loses a factor e.

    Source:
        The fixed features of the quick start; own design.
    """

    frozen = True

    def __init__(
        self, patch_size: int, *, num_bins: int = 3, softness: float = 0.3
    ) -> None:
        super().__init__()
        if patch_size < 1 or num_bins < 2 or softness <= 0:
            raise ValueError(
                'need patch_size >= 1, num_bins >= 2 and softness > 0, got '
                f'{patch_size}, {num_bins} and {softness}'
            )
        self.patch_size = patch_size
        self.num_bins = num_bins
        self.softness = softness
        self.feat_dim = num_bins**3

    def forward(
        self, images: Float[Tensor, 'B 3 H W']
    ) -> Float[Tensor, 'B C h w']:
        """Return the histogram of each patch."""
        with torch.no_grad():
            return color_histogram(
                images,
                self.patch_size,
                num_bins=self.num_bins,
                softness=self.softness,
            )
