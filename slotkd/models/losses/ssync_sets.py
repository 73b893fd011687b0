"""The tokens at which one map of SSync teaches the other."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from slotkd.ops.choices import check_choice
from slotkd.ops.masks import (
    differing_neighbours,
    num_neighbours,
    soft_disagreement,
)

BD_RULES = ('ge', 'gt')
SWAPS = ('keep', 'drop', 'boundary')


def neighbour_sets(
    first: Tensor,
    second: Tensor,
    grid: tuple[int, int],
    *,
    border: str = 'edge',
    temporal: bool = True,
    bd_rule: str = 'ge',
    n_bd: int = 1,
    n_agree: int = 1,
    n_nbd: int = 1,
) -> tuple[Bool[Tensor, 'B T N'], Bool[Tensor, 'B T N']]:
    """Find the boundaries of one map and the interiors of another.

    Args:
        first: Labels (B, T, N) of the map whose boundaries are wanted; or its
            probabilities (B, T, K, N), whose summed disagreement with the
            neighbours then takes the place of the count.
        second: The same of the map whose interiors are wanted.
        grid: Patch grid (h, w).
        border: See :func:`~slotkd.ops.masks.differing_neighbours`.
        temporal: Whether the frames before and after are neighbours.
        bd_rule: A boundary token has at least (``ge``) or more than (``gt``)
            ``n_bd`` differing neighbours.
        n_bd: See ``bd_rule``.
        n_agree: A boundary token has at least so many equal neighbours.
        n_nbd: An interior token has fewer differing neighbours than this.

    Returns:
        Boundary set of ``first`` and interior set of ``second``.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527, Sec. 3.3.
    """
    check_choice('bd_rule', bd_rule, BD_RULES)
    both = torch.cat((first, second)).unflatten(-1, grid)
    count = soft_disagreement if both.ndim == 5 else differing_neighbours
    differ = count(both, border, temporal)
    t, h, w = differ.shape[1:]
    total = num_neighbours((t, h, w), border, temporal, differ.device)
    agree = (total - differ).chunk(2)[0]
    differ_first, differ_second = differ.chunk(2)
    at_rim = differ_first >= n_bd if bd_rule == 'ge' else differ_first > n_bd
    boundary = at_rim & (agree >= n_agree)
    return boundary.flatten(2), (differ_second < n_nbd).flatten(2)


def low_entropy_tokens(
    probs: Float[Tensor, 'B T K N'], share: float | None = None
) -> Bool[Tensor, 'B T N']:
    """Mark the tokens of each clip at which a map is surest.

    Args:
        probs: Sums to 1 over K.
        share: Share of the tokens to mark, in (0, 1]; None: those of less
            entropy than the clip's mean.

    Raises:
        ValueError: If ``share`` is outside (0, 1].

    Source:
        Moon and Heo, SSync, arXiv:2606.15527, ablation of selection.
    """
    entropy = torch.special.entr(probs).sum(dim=2)
    if share is None:
        return entropy < entropy.mean((1, 2), keepdim=True)
    if not 0 < share <= 1:
        raise ValueError(f'entropy_share={share} is outside (0, 1]')
    flat = entropy.flatten(1)
    rank = max(int(share * flat.shape[1]), 1)
    return entropy <= flat.kthvalue(rank, dim=1).values[:, None, None]


def settle_swaps(
    boundary: Bool[Tensor, 'B T N'],
    interior: Bool[Tensor, 'B T N'],
    differ: Bool[Tensor, 'B T N'],
    swaps: str,
) -> tuple[Bool[Tensor, 'B T N'], Bool[Tensor, 'B T N']]:
    """Decide on tokens of both sets, where the maps would trade labels.

    Args:
        boundary: Boundary set.
        interior: Interior set.
        differ: Where the labels of the two maps differ.
        swaps: ``keep`` such tokens, ``drop`` them from both sets, or leave
            them in the ``boundary`` set only.
    """
    check_choice('swaps', swaps, SWAPS)
    if swaps == 'keep':
        return boundary, interior
    settled = ~(boundary & interior & differ)
    interior = interior & settled
    return (boundary & settled if swaps == 'drop' else boundary), interior
