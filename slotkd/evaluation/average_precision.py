"""Average precision and recall of ranked predictions, pooled over videos."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MAX_PREDICTIONS = 100
AREAS = {
    '_s': (0.0, 128.0**2),
    '_m': (128.0**2, 256.0**2),
    '_l': (256.0**2, float('inf')),
}

Splits = Mapping[str, Collection[int]]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Predictions of one video and category against its true tracks.

    Args:
        scores: Descending.
        ious: IoU of predictions with true tracks.
        areas: Mean area of each prediction.
        true_areas: Mean area of each true track.
        crowd: Whether a true track is a group, which is not to be found.
        ids: Annotation id of each true track.
    """

    scores: Float[np.ndarray, ' D']
    ious: Float[np.ndarray, 'D G']
    areas: Float[np.ndarray, ' D']
    true_areas: Float[np.ndarray, ' G']
    crowd: Bool[np.ndarray, ' G']
    ids: tuple[int, ...]


class _Match(NamedTuple):
    """Which predictions hit and which do not count, at every threshold."""

    scores: Float[np.ndarray, ' D']
    hit: Bool[np.ndarray, '10 D']
    skip: Bool[np.ndarray, '10 D']
    positives: int


def average_precision(
    comparisons: Sequence[Mapping[Any, Comparison]],
    categories: Iterable[Any],
    *,
    splits: Splits | None = None,
) -> dict[str, float]:
    """Pool the comparisons of all videos, in the order given.

    Args:
        comparisons: One mapping for each video.
        categories: Category ids to average over; those without a true track
            do not count.
        splits: As in :func:`video_average_precision`.

    Returns:
        As :func:`video_average_precision`.
    """
    pools = [
        [video[category] for video in comparisons if category in video]
        for category in categories
    ]
    matches = _match_all(pools)
    precision, recall = _curves(matches)
    scores = {
        'AP': _mean(precision),
        'AP50': _mean(precision[:, 0]),
        'AP75': _mean(precision[:, 5]),
        'AR1': _mean(_curves(matches, limit=1)[1]),
        'AR10': _mean(_curves(matches, limit=10)[1]),
        'AR100': _mean(recall),
    }
    for name, bounds in AREAS.items():
        precision, recall = _curves(_match_all(pools, bounds=bounds))
        scores[f'AP{name}'] = _mean(precision)
        scores[f'AR{name}'] = _mean(recall)
    for name, ids in (splits or {}).items():
        precision, _ = _curves(_match_all(pools, wanted=frozenset(ids)))
        scores[f'AP_{name}'] = _mean(precision)
    return scores


def _mean(values: Float[np.ndarray, '...']) -> float:
    return float(values.mean()) if values.size else -1.0


def _match_all(
    pools: Sequence[Sequence[Comparison]],
    *,
    bounds: tuple[float, float] = (0.0, float('inf')),
    wanted: frozenset[int] | None = None,
) -> list[list[_Match]]:
    return [[_match(c, bounds, wanted) for c in pool] for pool in pools]


def _curves(
    pools: Sequence[Sequence[_Match]], limit: int = MAX_PREDICTIONS
) -> tuple[Float[np.ndarray, 'V 10 101'], Float[np.ndarray, 'V 10']]:
    """Precision at each recall, and recall, of categories with true tracks."""
    precision, recall = [], []
    for pool in pools:
        positives = sum(match.positives for match in pool)
        if not positives:
            continue
        scores = np.concatenate([m.scores[:limit] for m in pool])
        order = np.argsort(-scores, kind='stable')
        hit = np.concatenate([m.hit[:, :limit] for m in pool], axis=1)
        skip = np.concatenate([m.skip[:, :limit] for m in pool], axis=1)
        curve, reached = _precision_recall(
            hit[:, order], skip[:, order], positives
        )
        precision.append(curve)
        recall.append(reached)
    shape = len(precision), len(THRESHOLDS)
    return (
        np.array(precision).reshape(*shape, len(RECALLS)),
        np.array(recall).reshape(shape),
    )


def _match(
    comparison: Comparison,
    bounds: tuple[float, float],
    wanted: frozenset[int] | None,
) -> _Match:
    """Match by descending score at every threshold.

    A prediction takes the best free true track; one that is to be found wins
    over an ignored one, and of equal ones the last.
    """
    low, high = bounds
    areas, ignored = comparison.true_areas, comparison.crowd
    ignored = ignored | (areas < low) | (areas > high)
    if wanted is not None:
        ignored = ignored | ~np.isin(comparison.ids, list(wanted))
    outside = (comparison.areas < low) | (comparison.areas > high)
    levels = np.arange(len(THRESHOLDS))
    hit = np.zeros((len(levels), len(comparison.scores)), bool)
    skip = hit.copy()
    free = np.ones((len(levels), len(areas)), bool)
    for row, ious in enumerate(comparison.ious if len(areas) else ()):
        allowed = (ious >= THRESHOLDS[:, None]) & free
        regular = (allowed & ~ignored).any(1, keepdims=True)
        allowed &= ignored != regular
        backwards = np.where(allowed, ious, -1)[:, ::-1]
        best = len(areas) - 1 - backwards.argmax(1)
        hit[:, row] = allowed.any(1)
        skip[:, row] = hit[:, row] & ignored[best]
        free[levels, best] &= ~hit[:, row] | comparison.crowd[best]
    return _Match(
        scores=comparison.scores,
        hit=hit,
        skip=skip | (~hit & outside),
        positives=int((~ignored).sum()),
    )


def _precision_recall(
    hit: Bool[np.ndarray, '10 D'], skip: Bool[np.ndarray, '10 D'], count: int
) -> tuple[Float[np.ndarray, '10 101'], Float[np.ndarray, ' 10']]:
    true = np.cumsum(hit & ~skip, axis=1, dtype=float)
    false = np.cumsum(~hit & ~skip, axis=1, dtype=float)
    recall = true / count
    precision = true / np.maximum(true + false, np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.pad(envelope, ((0, 0), (0, 1)))
    at = np.stack([np.searchsorted(r, RECALLS, side='left') for r in recall])
    reached = recall.max(axis=1, initial=0)
    return np.take_along_axis(padded, at, axis=1), reached
