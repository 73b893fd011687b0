"""Parameter-free colour features for experiments without a network."""

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from mmengine.model import BaseModule
from torch import Tensor

from slotkd.registry import MODELS


def patch_pixels(
    images: Float[Tensor, 'B 3 H W'], patch_size: int, *, cells: int = 1
) -> Float[Tensor, 'B C h w']:
    """Average the colour of each sub-cell of each patch.

    Channels are ordered row of the cell, column of the cell, colour.

    Args:
        images: Images of any scale; the values are averaged as they are.
        patch_size: Side of a patch in pixels.
        cells: Sub-cells along each side of a patch.

    Returns:
        A map of ``3 * cells ** 2`` channels on the patch grid.

    Raises:
        ValueError: If the image does not consist of whole patches, or a
            patch of whole cells.
    """
    height, width = images.shape[-2:]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f'image size {height}x{width} is no multiple of '
            f'patch_size={patch_size}'
        )
    if patch_size % cells:
        raise ValueError(
            f'patch_size={patch_size} is no multiple of cells={cells}'
        )
    means = F.avg_pool2d(images, patch_size // cells)
    return rearrange(
        means, 'b c (h i) (w j) -> b (i j c) h w', i=cells, j=cells
    )


@MODELS.register_module()
class PatchPixels(BaseModule):
    """:func:`patch_pixels` as a frozen backbone.

    Args:
        patch_size: Side of a patch in pixels.
        cells: Sub-cells along each side of a patch.

    Source:
        Own design, for tests and ablations.
    """

    frozen = True

    def __init__(self, patch_size: int, cells: int = 1) -> None:
        super().__init__()
        if cells < 1 or patch_size < 1 or patch_size % cells:
            raise ValueError(
                f'patch_size={patch_size} is no positive multiple of '
                f'cells={cells}'
            )
        self.patch_size = patch_size
        self.cells = cells
        self.feat_dim = 3 * cells**2

    def forward(
        self, images: Float[Tensor, 'B 3 H W']
    ) -> Float[Tensor, 'B C h w']:
        """Return the map of colour means."""
        return patch_pixels(images, self.patch_size, cells=self.cells)
