"""How often to paste tracks of each class, so that rare ones catch up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from slotkd.ops.choices import check_choice

RULES = ('water_fill', 'inverse_power')


@dataclass(frozen=True, kw_only=True)
class PasteRates:
    """What to paste.

    Args:
        shares: Probability of each class among pasted tracks; sums to 1, or
            is 0 everywhere where there is nothing to paste.
        kept: Share of the planned pastes that take place, below 1 where
            every class has reached its cap.
    """

    shares: Float[np.ndarray, ' V']
    kept: float


def paste_rates(
    counts: Sequence[float | int],
    rho: float | int,
    *,
    rule: str = 'water_fill',
    beta: float | int = 0.5,
    max_oversample: float | int = 20,
) -> PasteRates:
    """Choose the class shares of pasted tracks.

    Args:
        counts: Annotated tracks of each class.
        rho: Expected pasted tracks for each original one.
        rule: ``'water_fill'``, see :func:`water_fill`, towards shares
            proportional to ``counts ** beta``; ``'inverse_power'``, see
            :func:`inverse_power`.
        beta: 1 keeps the shares as they are, 0 makes them equal.
        max_oversample: Most pasted tracks of a class for each original one;
            what is cut goes to the other classes in proportion.

    Raises:
        ValueError: If a number is out of range or there is no track at all.
    """
    check_choice('rule', rule, RULES)
    numbers = np.asarray(counts, dtype=float)
    if numbers.min(initial=0) < 0 or numbers.sum() <= 0:
        raise ValueError(f'counts need a track of some class, got {counts}')
    if rho <= 0 or not 0 <= beta <= 1 or max_oversample <= 0:
        raise ValueError(
            'need rho > 0, beta in [0, 1] and max_oversample > 0, got '
            f'{rho}, {beta} and {max_oversample}'
        )
    shares = numbers / numbers.sum()
    if rule == 'inverse_power':
        wanted = inverse_power(numbers, beta)
    else:
        target = np.where(numbers > 0, numbers**beta, 0)
        wanted = water_fill(shares, target / target.sum(), rho)[0]
    capped = limit_shares(wanted, shares * (max_oversample / rho))
    kept = float(capped.sum())
    return PasteRates(shares=capped / kept if kept else capped, kept=kept)


def water_fill(
    shares: Float[np.ndarray, ' V'],
    target: Float[np.ndarray, ' V'],
    rho: float | int,
) -> tuple[Float[np.ndarray, ' V'], float]:
    """Lift the classes furthest below their target to one level.

    ``q = max(0, a t - p) / rho`` with the level ``a`` at which q sums to 1.
    The mixture ``(p + rho q) / (1 + rho)`` is the target itself where ``p <=
    (1 + rho) t`` for every class; then ``a = 1 + rho``.

    Args:
        shares: Present shares p of the classes.
        target: Wanted shares t, 0 only where ``shares`` is.
        rho: Tracks added for each present one, > 0.

    Returns:
        Shares q of the added tracks, and the level a.

    Source:
        Own design for the class balance of Kim et al., OOKD,
        arXiv:2302.07516, whose rule is not published; the water-filling of
        Cover and Thomas, Elements of Information Theory, Sec. 9.4.
    """
    used = np.flatnonzero(target > 0)
    ratio = shares[used] / target[used]
    order = used[np.argsort(ratio, kind='stable')]
    # Level if the k lowest classes were lifted: the last one that lies above
    # the k-th class itself.
    levels = rho + np.cumsum(shares[order])
    levels = levels / np.cumsum(target[order])
    level = levels[np.flatnonzero(levels > np.sort(ratio))[-1]]
    return np.maximum(0, level * target - shares) / rho, float(level)


def inverse_power(
    counts: Float[np.ndarray, ' V'], power: float | int
) -> Float[np.ndarray, ' V']:
    """Draw the classes up to the median with ``(largest / n) ** power``.

    Args:
        counts: Tracks of each class; those without any are left out.
        power: 0 draws all minor classes alike.

    Returns:
        Shares that sum to 1.
    """
    present = counts > 0
    minor = present & (counts <= np.median(counts[present]))
    safe = np.where(minor, counts, 1)
    draws = np.where(minor, (counts.max() / safe) ** power, 0)
    return draws / draws.sum()


def limit_shares(
    shares: Float[np.ndarray, ' V'], caps: Float[np.ndarray, ' V']
) -> Float[np.ndarray, ' V']:
    """Cut shares at their caps and give the rest to the others.

    Args:
        shares: Shares that sum to 1.
        caps: Largest share of each class.

    Returns:
        Shares at or below their caps, in proportion where below; their sum
        is 1, or less where every class with a share is at its cap.
    """
    result = shares.copy()
    for _ in range(len(shares)):  # each round but the last caps a class
        full = result >= caps
        free = ~full & (shares > 0)
        left = 1 - caps[full & (shares > 0)].sum()
        result = np.where(shares > 0, np.minimum(result, caps), 0)
        if not free.any() or abs(result.sum() - 1) < 1e-12:
            break
        result[free] = shares[free] * left / shares[free].sum()
    return np.minimum(result, np.where(shares > 0, caps, 0))
