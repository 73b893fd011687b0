"""What SSync gives: two losses, and how it came to them."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SSyncResult:
    """What :func:`ssync_loss` gives; only the two losses carry gradients.

    Args:
        boundary: Error of the decoder masks on the boundary set.
        interior: Error of the encoder attention on the interior set.
        labels_attn: Encoder labels after merging.
        labels_masks: Decoder labels after merging.
        boundary_mask: Boundary set.
        interior_mask: Interior set.
        slot_map: Winner of each slot's group; its own index if it stays.
        overlap: Overlap of slots that the merging thresholded.
        stats: Scalars to log: ``boundary_share`` and ``interior_share`` of
            the tokens, ``set_iou`` of the two sets, ``merged_share`` of the
            slots, ``top_iou`` (largest overlap of two slots, mean over
            clips), ``agreement`` (share of tokens with equal labels).
    """

    boundary: Float[Tensor, '']
    interior: Float[Tensor, '']
    labels_attn: Integer[Tensor, 'B T N']
    labels_masks: Integer[Tensor, 'B T N']
    boundary_mask: Bool[Tensor, 'B T N']
    interior_mask: Bool[Tensor, 'B T N']
    slot_map: Integer[Tensor, 'B K']
    overlap: Float[Tensor, 'B K K']
    stats: dict[str, Float[Tensor, '']]


@torch.no_grad()
def ssync_stats(
    equal: Bool[Tensor, 'B T N'],
    boundary_mask: Bool[Tensor, 'B T N'],
    interior_mask: Bool[Tensor, 'B T N'],
    slot_map: Integer[Tensor, 'B K'],
    overlap: Float[Tensor, 'B K K'],
) -> dict[str, Float[Tensor, '']]:
    """Reduce sets, labels and merging to the scalars of SSyncResult."""
    shared = (boundary_mask & interior_mask).sum()
    either = (boundary_mask | interior_mask).sum()
    own = torch.arange(slot_map.shape[1], device=slot_map.device)
    others = overlap.masked_fill(own[:, None] == own, 0)
    return dict(
        boundary_share=boundary_mask.float().mean(),
        interior_share=interior_mask.float().mean(),
        set_iou=shared / either.clamp(min=1),
        merged_share=(slot_map != own).float().mean(),
        top_iou=others.flatten(1).amax(dim=1).mean(),
        agreement=equal.float().mean(),
    )
