"""A small encoder that needs no download: four strided convolutions."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from slotkd.registry import MODELS


@MODELS.register_module()
class ConvPyramid(nn.Module):
    """Four 3x3 convolutions of stride 2; maps at strides 4, 8 and 16.

    Args:
        dims: Channels after each convolution, multiples of 8.

    Source:
        Own design, for tests and the quick start.
    """

    def __init__(self, dims: Sequence[int] = (16, 32, 48, 64)) -> None:
        super().__init__()
        if len(dims) != 4 or any(dim % 8 for dim in dims):
            raise ValueError(
                f'ConvPyramid needs four widths that 8 divides, got {dims}'
            )
        self.feat_dims = tuple(dims[1:])
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(in_dim, dim, 3, stride=2, padding=1),
                nn.GroupNorm(8, dim),
                nn.ReLU(),
            )
            for in_dim, dim in zip((3, *dims), dims, strict=False)
        )

    def forward(
        self, images: Float[Tensor, 'B 3 H W']
    ) -> tuple[
        Float[Tensor, 'B _ h4 w4'],
        Float[Tensor, 'B _ h8 w8'],
        Float[Tensor, 'B _ h w'],
    ]:
        """Return the maps."""
        maps = []
        hidden = images
        for stage in self.stages:
            hidden = stage(hidden)
            maps.append(hidden)
        return maps[1], maps[2], maps[3]
