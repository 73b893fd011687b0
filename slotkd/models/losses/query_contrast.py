"""Contrast between the embeddings of tracks in two frames of a clip."""

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.query_pairs import annotated
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.query_association import pick_queries
from slotkd.registry import MODELS
from slotkd.structures import QueryOutput


def query_contrast_loss(
    embeds: Float[Tensor, 'B F Q D'],
    match: Integer[Tensor, 'B F O'],
    *,
    num_unmatched: int = 32,
) -> Float[Tensor, '']:
    """Pull a track's embeddings of two frames together, push others away.

    For each ordered pair of frames a, b and each track found in both:
    ``log(1 + sum_neg exp(v k- - v k+))`` with the anchor v in a, the same
    track k+ in b, and as k- the other tracks of b and queries of b without a
    track; plus the mean squared difference of each cosine from 1 (k+) or 0
    (k-). The inner products are of embeddings as they are. A track found in
    one frame only is no anchor.

    Args:
        embeds: Embedding of each query.
        match: Query of each track in each frame, -1 for none.
        num_unmatched: Most queries without a track, drawn at random in each
            frame.

    Returns:
        The mean over anchors, >= 0; an exact, differentiable zero where
        there is none.

    Source:
        Wu et al., In Defense of Online Models for Video Instance
        Segmentation (IDOL), ECCV 2022, arXiv:2207.10661, as in
        wjf5203/VNext. Differs: the positive is the one matched query, not
        the best of several.
    """
    values = at_least_fp32(embeds)
    found = match >= 0  # (B, F, O)
    tracks = pick_queries(values.flatten(0, 1), match.flatten(0, 1))
    tracks = tracks.unflatten(0, match.shape[:2])
    counted = _negatives(match, found, embeds.shape[2], num_unmatched)
    # a and b are frames, o the anchor's track, q a query of b.
    pairs = 'b a o d, b c q d -> b a c o q'
    with torch.autocast(values.device.type, enabled=False):
        products = torch.einsum(pairs, tracks, values)
        cosines = torch.einsum(
            pairs, F.normalize(tracks, dim=-1), F.normalize(values, dim=-1)
        )
    partner = match.clamp(min=0)[:, None, :, :, None]  # (B, 1, F, O, 1)
    positive = F.one_hot(partner.squeeze(4), embeds.shape[2]).bool()
    negative = counted[:, None, :, None] & ~positive
    anchors = found[:, :, None] & found[:, None]  # (B, a, b, O)
    frames = torch.eye(match.shape[1], dtype=torch.bool, device=match.device)
    anchors = anchors & ~frames[:, :, None]
    here = products.gather(4, partner.expand(*products.shape[:4], 1))
    gaps = (products - here).masked_fill(~negative, float('-inf'))
    # The zero is the 1 in the logarithm, and keeps it finite.
    pulls = torch.cat([torch.zeros_like(here), gaps], dim=4).logsumexp(dim=4)
    label = positive.to(cosines.dtype)
    compared = positive | negative
    errors = ((cosines - label).square() * compared).sum(dim=4)
    losses = pulls + errors / compared.sum(dim=4).clamp(min=1)
    return (losses * anchors).sum() / anchors.sum().clamp(min=1)


def _negatives(
    match: Integer[Tensor, 'B F O'],
    found: Bool[Tensor, 'B F O'],
    num_queries: int,
    num_unmatched: int,
) -> Bool[Tensor, 'B F {num_queries}']:
    """Tell which queries are compared: all matched, some of the others."""
    taken = torch.zeros(
        (*match.shape[:2], num_queries + 1),
        dtype=torch.bool,
        device=match.device,
    )
    # Tracks that are not found mark a query beyond the last.
    taken.scatter_(2, match.where(found, num_queries), True)
    taken = taken[..., :num_queries]
    order = torch.rand(taken.shape, device=match.device) + taken
    rank = order.argsort(dim=2, descending=True).argsort(dim=2)
    return rank < taken.sum(dim=2, keepdim=True) + num_unmatched


@MODELS.register_module()
class QueryContrastLoss(nn.Module):
    """:func:`query_contrast_loss` of a student's embeddings.

    Trains the embedding for association from annotated tracks alone, also
    where no teacher does.

    Args:
        num_unmatched: See :func:`query_contrast_loss`.

    Raises:
        ValueError: If the number is negative, or the model's frames are
            fewer than two or without annotations.

    Source:
        Wu et al., IDOL, ECCV 2022, arXiv:2207.10661.
    """

    fields = ('features', 'match', 'targets')

    def __init__(self, num_unmatched: int = 32) -> None:
        super().__init__()
        if num_unmatched < 0:
            raise ValueError(
                f'num_unmatched must be 0 or more, got {num_unmatched}'
            )
        self.num_unmatched = num_unmatched

    def forward(self, output: QueryOutput) -> Tensor:
        """Return the loss of a record."""
        match = annotated(output)[1]
        if match.shape[1] < 2:
            raise ValueError(
                'contrast needs two frames of a clip or more, got '
                f'{match.shape[1]}'
            )
        return query_contrast_loss(
            output.features, match, num_unmatched=self.num_unmatched
        )
