"""Join groups of objects that were followed apart from each other."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

EPS = 1e-5


def aggregate_groups(
    groups: Sequence[Float[Tensor, '_ H W']],
) -> Float[Tensor, 'V H W']:
    """Join the probabilities of several groups of objects.

    A pixel is background if it is background in every group; objects keep
    their odds p / (1 - p). The result is normalised.

    Args:
        groups: Probabilities of background and objects of each group; each
            sums to 1 over its channels. The objects of others are background.

    Returns:
        Probabilities of the background, then of the objects group by group.
        A single group comes back as it is.

    Source:
        The soft aggregation of Oh et al., STM, ICCV 2019, arXiv:1904.00607,
        as yoxu515/aot-benchmark@04fe7d9:networks/engines/aot_engine.py
        applies it to groups.
    """
    if len(groups) == 1:
        return groups[0]
    background = torch.stack([group[0] for group in groups]).prod(dim=0)
    objects = [group[1:] for group in groups]
    probs = torch.cat([background[None], *objects]).clamp(EPS, 1 - EPS)
    odds = probs / (1 - probs)
    return odds / odds.sum(dim=0)
