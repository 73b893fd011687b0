"""Spatial broadcast decoding: each slot is drawn at each patch, then mixed.

Rows are laid out (B, N, K, H): the K slots of one patch lie next to each
other, so mixing over slots is one small matrix product without a copy.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from slotkd.ops.precision import at_least_fp32

Layer = tuple[Tensor, Tensor]


def broadcast_decode(
    hidden: Float[Tensor, 'B N K H'],
    layers: list[Layer],
    output: Layer,
) -> tuple[Float[Tensor, 'B N C'], Float[Tensor, 'B K N']]:
    """Decode rows and mix them over slots before the feature projection.

    The last layer is linear and the masks sum to 1, so features are mixed
    first and projected once per patch instead of once per patch and slot.
    Only the mask logit is computed for each slot. Equal to
    :func:`broadcast_decode_plain` up to rounding.

    Args:
        hidden: First layer of each (patch, slot) before its ReLU; it is
            overwritten.
        layers: Weight and bias of each further hidden layer.
        output: Weight and bias of the last layer: C feature rows, then the
            mask row.

    Returns:
        Features mixed over slots, and the mask logits.

    Source:
        Watters et al., Spatial Broadcast Decoder, arXiv:1901.07017.
        Differs: the order of mixing and projection.
    """
    hidden = F.relu_(hidden)
    for weight, bias in layers:
        hidden = F.relu_(F.linear(hidden, weight, bias))
    weight, bias = output
    mask_logits = F.linear(hidden, weight[-1:], bias[-1:]).squeeze(-1)
    masks = at_least_fp32(mask_logits).softmax(dim=-1).to(hidden.dtype)
    mixed = torch.einsum('bnk,bnkh->bnh', masks, hidden)
    recon = F.linear(mixed, weight[:-1], bias[:-1])
    return recon, mask_logits.transpose(1, 2)


def broadcast_decode_plain(
    hidden: Float[Tensor, 'B N K H'],
    layers: list[Layer],
    output: Layer,
) -> tuple[Float[Tensor, 'B N C'], Float[Tensor, 'B K N']]:
    """Decode every slot at every patch in full: the slow twin.

    Args and returns are those of :func:`broadcast_decode`; nothing is
    overwritten.

    Source:
        Watters et al., Spatial Broadcast Decoder, arXiv:1901.07017.
    """
    hidden = F.relu(hidden)
    for weight, bias in layers:
        hidden = F.relu(F.linear(hidden, weight, bias))
    rows = F.linear(hidden, *output)
    mask_logits = rows[..., -1]
    masks = at_least_fp32(mask_logits).softmax(dim=-1).unsqueeze(-1)
    recon = (rows[..., :-1] * masks).sum(dim=2)
    return recon, mask_logits.transpose(1, 2)
