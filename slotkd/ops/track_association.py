"""How well identities are kept from frame to frame."""

import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional as F

from slotkd.ops.precision import at_least_fp32
from slotkd.ops.query_association import pick_queries

COUNTS = (
    'kept',
    'links',
    'kept_after_gap',
    'gaps',
    'same_cosine',
    'same_pairs',
    'different_cosine',
    'different_pairs',
)


def association_counts(
    query: Integer[Tensor, 'T O'],
    ids: Integer[Tensor, 'T Q'],
    embeds: Float[Tensor, 'T Q D'],
) -> dict[str, float]:
    """Count the identities that a tracker keeps, in one video.

    A link joins two frames in which an object is seen and between which it
    is not; it is kept if both frames give it the same identity. Links over
    frames without the object are also counted apart.

    Args:
        query: Query of each object in each frame, -1 where it is not seen.
        ids: Identity that the tracker gave each query, -1 for none.
        embeds: Embedding of each query.

    Returns:
        Kept and all links, of any length and over gaps; sums and numbers of
        the cosines between an object's embeddings in two frames, and between
        those of two objects in two frames. See :data:`COUNTS`.
    """
    seen = query >= 0
    given = pick_queries(ids, query).where(seen, -1)
    numbers = dict.fromkeys(COUNTS, 0.0)
    for track, visible in zip(given.T, seen.T, strict=True):
        times = visible.nonzero().squeeze(1)
        before, after = track[times[:-1]], track[times[1:]]
        kept = (before == after) & (before >= 0)
        gap = times[1:] - times[:-1] > 1
        numbers['kept'] += int(kept.sum())
        numbers['links'] += len(kept)
        numbers['kept_after_gap'] += int(kept[gap].sum())
        numbers['gaps'] += int(gap.sum())
    return numbers | _cosine_sums(query, embeds)


def _cosine_sums(
    query: Integer[Tensor, 'T O'], embeds: Float[Tensor, 'T Q D']
) -> dict[str, float]:
    units = F.normalize(at_least_fp32(pick_queries(embeds, query)), dim=-1)
    cosines = torch.einsum('s o d, t p d -> s t o p', units, units)
    seen = query >= 0
    both = seen[:, None, :, None] & seen[None, :, None]
    frames, objects = query.shape
    other = ~torch.eye(frames, dtype=torch.bool, device=query.device)
    both = both & other[:, :, None, None]
    own = torch.eye(objects, dtype=torch.bool, device=query.device)
    same, different = cosines[both & own], cosines[both & ~own]
    return dict(
        same_cosine=float(same.sum()),
        same_pairs=len(same),
        different_cosine=float(different.sum()),
        different_pairs=len(different),
    )
