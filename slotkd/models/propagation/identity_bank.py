"""Turn masks of objects into tokens, by an identity for each object."""

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 16


def one_hot_masks(
    labels: Integer[Tensor, 'B H W'], num_channels: int
) -> Float[Tensor, 'B V H W']:
    """Return one channel for each label; void pixels have none.

    Args:
        labels: 0 background, 1 and on objects; labels without a channel
            (255, void) are left out.
        num_channels: Background and objects V.
    """
    channels = torch.arange(num_channels, device=labels.device)
    return (labels[:, None] == channels[:, None, None]).float()


class IdentityBank(nn.Module):
    """Embed masks patch by patch; every channel is one identity.

    Patches are one cell larger than their stride, so that they overlap like
    the cells of an input of 16 k + 1 pixels.

    Args:
        token_dim: Channels D of a token.
        num_objects: Most objects; the background comes in addition.

    Source:
        Yang et al., AOT, NeurIPS 2021, arXiv:2106.02638, section 3.2; the
        layer norm of DeAOT, arXiv:2210.09782.
    """

    def __init__(self, token_dim: int, *, num_objects: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            num_objects + 1,
            token_dim,
            STRIDE + 1,
            stride=STRIDE,
            padding=STRIDE // 2,
        )
        self.norm = nn.LayerNorm(token_dim)
        nn.init.orthogonal_(self.conv.weight)

    def forward(
        self, masks: Float[Tensor, 'B V H W'], *, is_frozen: bool = False
    ) -> Float[Tensor, 'B N D']:
        """Return a token for each cell of stride 16.

        Args:
            masks: Share of each identity in each pixel.
            is_frozen: Keep gradients from the weights.
        """
        weights: list[Tensor] = list(self.parameters())
        if is_frozen:
            weights = [weight.detach() for weight in weights]
        conv, conv_bias, scale, shift = weights
        maps = F.conv2d(
            masks, conv, conv_bias, stride=STRIDE, padding=STRIDE // 2
        )
        tokens = maps.flatten(2).mT
        return F.layer_norm(tokens, scale.shape, scale, shift)
