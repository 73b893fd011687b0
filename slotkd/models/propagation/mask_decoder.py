"""The mask decoder: from streams at stride 16 to logits at stride 4."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Map = Float[Tensor, 'B _ _ _']


def conv_norm_relu(in_dim: int, out_dim: int, kernel: int) -> nn.Sequential:
    """Return a convolution, group norm and ReLU that keep the size."""
    return nn.Sequential(
        nn.Conv2d(in_dim, out_dim, kernel, padding=kernel // 2),
        nn.GroupNorm(8, out_dim),
        nn.ReLU(),
    )


class MaskDecoder(nn.Module):
    """Refine the streams with the backbone's maps, step by step.

    Maps are enlarged bilinearly, corner cell on corner cell, to the size of
    the backbone's map, which is added through a 1x1 convolution.

    Args:
        token_dim: Channels D of a stream; a multiple of 16.
        skip_dims: Channels of the backbone's maps at strides 4, 8 and 16.
        num_channels: Background and objects V.

    Raises:
        ValueError: If ``token_dim`` is no multiple of 16.

    Source:
        yoxu515/aot-benchmark@04fe7d9:networks/decoders/fpn.py, on the last
        layer's streams.
    """

    def __init__(
        self, token_dim: int, *, skip_dims: Sequence[int], num_channels: int
    ) -> None:
        super().__init__()
        if token_dim % 16:
            raise ValueError(
                f'token_dim is {token_dim}, the decoder needs a multiple of '
                '16 for its group norms'
            )
        half = token_dim // 2
        self.norm = nn.GroupNorm(2, 2 * token_dim)
        self.stem = conv_norm_relu(2 * token_dim, token_dim, 1)
        self.skips = nn.ModuleList(
            nn.Conv2d(skip_dim, dim, 1)
            for skip_dim, dim in zip(
                skip_dims, (half, token_dim, token_dim), strict=True
            )
        )
        self.convs = nn.ModuleList(
            [
                conv_norm_relu(half, half, 3),
                conv_norm_relu(token_dim, half, 3),
                conv_norm_relu(token_dim, token_dim, 3),
            ]
        )
        self.head = nn.Conv2d(half, num_channels, 1)

    def forward(
        self, streams: Float[Tensor, 'B C h w'], maps: Sequence[Map]
    ) -> Float[Tensor, 'B V h4 w4']:
        """Return logits at stride 4.

        Args:
            streams: Both streams, one after the other.
            maps: Maps of the backbone at strides 4, 8 and 16.
        """
        hidden = self.stem(self.norm(streams))
        for conv, skip, skip_map in reversed(
            list(zip(self.convs, self.skips, maps, strict=True))
        ):
            size = skip_map.shape[2:]
            if hidden.shape[2:] != size:
                hidden = F.interpolate(
                    hidden, size, mode='bilinear', align_corners=True
                )
            hidden = conv(hidden + skip(skip_map))
        return self.head(hidden)
