"""The J&F of the published slot code, which is not the DAVIS measure."""

from collections.abc import Sequence
from math import hypot
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from mmengine.evaluator import BaseMetric
from scipy.ndimage import maximum_filter, minimum_filter

from slotkd.evaluation.label_volumes import (
    VOID,
    Volume,
    as_integers,
    masks_of,
)
from slotkd.ops.matching import hungarian_match
from slotkd.registry import METRICS

WIDTH = 0.02  # of the diagonal
_NOTHING, _OUTSIDE = -1, -2  # labels of void pixels and of none


class SlotJF(NamedTuple):
    """Mean over the objects of a video: J&F, J and F."""

    jf: float
    j: float
    f: float


def slot_jf(
    pred: Volume,
    true: Volume,
    *,
    ignore_background: bool = True,
    width: float = WIDTH,
) -> SlotJF:
    """J&F of slots matched to objects, by the rules of the slot code.

    In each frame J is the IoU and F compares the bands of pixels along the
    inner edges pixel by pixel; a frame without the object or without the
    slot counts 0. Both are averaged over all frames; the one-to-one
    assignment has the largest sum of their mean. An object left without a
    slot counts 0. DAVIS instead matches thin boundaries within a distance,
    counts a frame in which both are absent as 1, and excludes frames:
    :func:`slotkd.evaluation.davis_scores`.

    Args:
        pred: Slot of each pixel (T, H, W) or (H, W); any integers from 0.
        true: Instance of each pixel, same shape; 0 background, 255 void,
            which is taken out of both.
        ignore_background: False takes true background for one more object.
        width: Width of the bands as a share of the diagonal, one pixel at
            least; also of the rim of the frame, where every pixel of a mask
            belongs to its band.

    Returns:
        Values in [0, 1]; NaN where the truth has no object.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If a volume does not hold integers.

    Source:
        The rules of martius-lab/videosaur:videosaur/metrics.py@81dd9c1.
    """
    seen = as_integers(pred, 'pred').cpu().numpy()
    truth = as_integers(true, 'true').cpu().numpy()
    if seen.shape != truth.shape or truth.ndim not in (2, 3):
        raise ValueError(
            f'pred has shape {seen.shape} and true {truth.shape}; both must '
            f'be the same (T, H, W) or (H, W)'
        )
    if truth.ndim == 2:
        seen, truth = seen[None], truth[None]
    void = truth == VOID
    seen = np.where(void, _NOTHING, seen)
    truth = np.where(void, _NOTHING, truth)
    slots = np.setdiff1d(seen, [_NOTHING])
    objects = np.setdiff1d(truth, [_NOTHING, 0] if ignore_background else [-1])
    if len(objects) == 0:
        return SlotJF(np.nan, np.nan, np.nan)
    radius = max(1, round(width * hypot(*truth.shape[1:])))
    scores = [
        _frame_scores(s, t, slots, objects, radius)
        for s, t in zip(seen, truth, strict=True)
    ]
    j, f = np.mean(scores, axis=0)
    chosen = hungarian_match(torch.from_numpy((j + f) / 2)[None])[0].numpy()
    matched = np.flatnonzero(chosen >= 0)
    sum_j = j[matched, chosen[matched]].sum() / len(objects)
    sum_f = f[matched, chosen[matched]].sum() / len(objects)
    return SlotJF(float((sum_j + sum_f) / 2), float(sum_j), float(sum_f))


def inner_bands(
    labels: Int[np.ndarray, 'H W'], radius: int
) -> Bool[np.ndarray, 'H W']:
    """Say which pixels lie within a square's reach of another label.

    Args:
        labels: Label of each pixel.
        radius: Half the side of the square; beyond the frame there is no
            label.
    """
    options: dict[str, Any] = dict(
        size=2 * radius + 1, mode='constant', cval=_OUTSIDE
    )
    low, high = (
        pick(labels, **options) for pick in (minimum_filter, maximum_filter)
    )
    return low != high


def _frame_scores(
    seen: Integer[np.ndarray, 'H W'],
    truth: Integer[np.ndarray, 'H W'],
    slots: Int[np.ndarray, ' K'],
    objects: Int[np.ndarray, ' O'],
    radius: int,
) -> Float[np.ndarray, '2 O K']:
    """J and F of each object with each slot in one frame."""
    common, true_size, slot_size = _overlap(seen, truth, slots, objects)
    union = true_size[:, None] + slot_size - common
    edges, true_edge, slot_edge = _overlap(
        np.where(inner_bands(seen, radius), seen, _NOTHING),
        np.where(inner_bands(truth, radius), truth, _NOTHING),
        slots,
        objects,
    )
    # 2 P R / (P + R) with P and R of one numerator
    total = true_edge[:, None] + slot_edge
    return np.stack(
        [common / np.maximum(union, 1), 2 * edges / np.maximum(total, 1)]
    )


def _overlap(
    seen: Integer[np.ndarray, 'H W'],
    truth: Integer[np.ndarray, 'H W'],
    slots: Int[np.ndarray, ' K'],
    objects: Int[np.ndarray, ' O'],
) -> tuple[
    Float[np.ndarray, 'O K'], Float[np.ndarray, ' O'], Float[np.ndarray, ' K']
]:
    """Pixels in common, of each object, and of each slot."""
    rows, columns = _index(truth, objects), _index(seen, slots)
    shape = len(objects) + 1, len(slots) + 1
    counts = np.bincount(
        (rows * shape[1] + columns).ravel(), minlength=shape[0] * shape[1]
    )
    table = counts.reshape(shape).astype(float)
    return table[:-1, :-1], table.sum(1)[:-1], table.sum(0)[:-1]


def _index(
    labels: Integer[np.ndarray, 'H W'], known: Int[np.ndarray, ' L']
) -> Int[np.ndarray, 'H W']:
    """Replace sorted labels by their position and others by the last one."""
    if len(known) == 0:
        return np.zeros(labels.shape, int)
    position = np.searchsorted(known, labels).clip(max=len(known) - 1)
    return np.where(known[position] == labels, position, len(known))


@METRICS.register_module()
class SlotJFMetric(BaseMetric):
    """J&F of the published slot code; DAVIS numbers come from DavisMetric.

    Reads ``pred_masks`` and ``gt_masks`` of each video and reports
    ``slot_jf``, ``slot_j`` and ``slot_f`` in [0, 1], the mean over videos. A
    video without ``gt_masks`` or without an object is not counted.

    Args:
        width: As in :func:`slot_jf`.
        collect_device: Where results of several processes meet.
        prefix: Put before each name, with a slash.

    Source:
        The rules of martius-lab/videosaur:videosaur/metrics.py@81dd9c1.
    """

    def __init__(
        self,
        width: float = WIDTH,
        *,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not 0 < width < 1:
            raise ValueError(f'width is a share of the diagonal, got {width}')
        self.width = width

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Reduce each video to its three numbers."""
        for sample in data_samples:
            masks = masks_of(sample)
            scores = masks and slot_jf(*masks, width=self.width)
            self.results.append(tuple(scores or (np.nan,) * 3))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over the videos that have objects.

        Raises:
            ValueError: If none has.
        """
        counted = [scores for scores in results if not np.isnan(scores[0])]
        if not counted:
            raise ValueError(
                f'no object to score in {len(results)} videos: gt_masks is '
                'missing or empty'
            )
        means = np.mean(counted, axis=0)
        return {
            f'slot_{name}': float(mean)
            for name, mean in zip(SlotJF._fields, means, strict=True)
        }
