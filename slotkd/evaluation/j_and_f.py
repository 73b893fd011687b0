"""DAVIS region similarity J, boundary accuracy F, and their statistics."""

from math import ceil, hypot
from typing import NamedTuple

import numpy as np
from einops import rearrange
from jaxtyping import Bool, Float, Int, Integer, Shaped
from torch import Tensor

Mask = Shaped[Tensor, '...'] | Shaped[np.ndarray, '...']

TOLERANCE = 0.008  # of the diagonal
MAX_LABELS = 63  # boundaries are bits of an int64
_CHUNK = 4096  # boundary pixels looked up at once


class Statistics(NamedTuple):
    """Mean, recall and decay of one object over its frames."""

    mean: float
    recall: float
    decay: float


def region_similarity(pred: Mask, true: Mask) -> float:
    """Intersection over union of two masks, the DAVIS measure J.

    Args:
        pred: Predicted mask (H, W), bool, or integers where 0 is outside.
        true: True mask of the same shape.

    Returns:
        Value in [0, 1]; 1 where both masks are empty.

    Raises:
        ValueError: If a mask is not (H, W) or the shapes differ.

    Source:
        Perazzi et al., DAVIS, CVPR 2016, Sec. 4; the rules of
        davisvideochallenge/davis2017-evaluation@ac7c43f.
    """
    return float(_regions(*_pair(pred, true), 1, 1)[0, 0])


def boundary_accuracy(
    pred: Mask, true: Mask, tolerance: float | int = TOLERANCE
) -> float:
    """F-measure of two masks' boundaries, the DAVIS measure F.

    Precision is the share of the predicted boundary that lies within the
    tolerance of the true one, recall the converse. A mask that fills the
    frame has no boundary.

    Args:
        pred: Predicted mask (H, W), bool, or integers where 0 is outside.
        true: True mask of the same shape.
        tolerance: Largest distance, as a share of the diagonal (rounded up
            to pixels) below 1, in pixels from 1 on.

    Returns:
        Value in [0, 1]; 1 where neither mask has a boundary, 0 where exactly
        one has none.

    Raises:
        ValueError: If a mask is not (H, W), the shapes differ, or the
            tolerance is negative.

    Source:
        As :func:`region_similarity`.
    """
    first, second = _pair(pred, true)
    radius = tolerance_radius(first.shape, tolerance)
    return float(_boundaries(first, second, 1, 1, radius)[0, 0])


def frame_scores(
    pred: Integer[np.ndarray, 'H W'],
    true: Integer[np.ndarray, 'H W'],
    num_pred: int,
    num_true: int,
    tolerance: float | int = TOLERANCE,
) -> tuple[Float[np.ndarray, 'O K'], Float[np.ndarray, 'O K']]:
    """J and F of every true object with every predicted one in a frame.

    Args:
        pred: Index 0 .. num_pred - 1 of each pixel; num_pred means none.
        true: Index 0 .. num_true - 1 of each pixel; num_true means none.
        num_pred: Number of predicted masks K, at most 63.
        num_true: Number of true masks O, at most 63.
        tolerance: As in :func:`boundary_accuracy`.

    Returns:
        J and F, objects by predictions.
    """
    radius = tolerance_radius(true.shape, tolerance)
    return (
        _regions(pred, true, num_pred, num_true),
        _boundaries(pred, true, num_pred, num_true, radius),
    )


def sequence_statistics(values: Float[np.ndarray, ' T']) -> Statistics:
    """Mean, recall and decay of J or F of one object.

    Recall is the share of frames above 0.5. Decay is the mean of the first
    quarter of the frames less that of the last; quarters share their border
    frames. NaN values count neither in a mean nor as recalled.

    Raises:
        ValueError: If there is no frame.

    Source:
        davisvideochallenge/davis2017-evaluation@ac7c43f.
        Differs: frame numbers are integers, not 8 bits wide, so that more
        than 256 frames have a decay.
    """
    if len(values) == 0:
        raise ValueError('statistics need at least one frame, got 0')
    edges = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first = values[edges[0] : edges[1] + 1]
    last = values[edges[3] : edges[4] + 1]
    return Statistics(
        mean=_mean(values),
        recall=float(np.mean(values > 0.5)),
        decay=_mean(first) - _mean(last),
    )


def tolerance_radius(shape: tuple[int, ...], tolerance: float | int) -> float:
    """Turn the tolerance into pixels for frames of the given (H, W).

    Raises:
        ValueError: If the tolerance is negative.
    """
    if tolerance < 0:
        raise ValueError(f'tolerance must not be negative, got {tolerance}')
    if tolerance >= 1:
        return float(tolerance)
    return float(ceil(tolerance * hypot(*shape)))


def _mean(values: Float[np.ndarray, ' T']) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float('nan')


def _pair(
    pred: Mask, true: Mask
) -> tuple[Int[np.ndarray, 'H W'], Int[np.ndarray, 'H W']]:
    """Check two masks and index them: 0 inside, 1 outside."""
    masks = []
    for name, mask in (('pred', pred), ('true', true)):
        array = mask.cpu().numpy() if isinstance(mask, Tensor) else mask
        if array.ndim != 2 or array.dtype.kind not in 'biu':
            raise ValueError(
                f'{name} must be a bool mask (H, W), got {array.dtype} '
                f'{tuple(array.shape)}'
            )
        masks.append((array == 0).astype(np.int64))
    if masks[0].shape != masks[1].shape:
        raise ValueError(
            f'pred has shape {masks[0].shape} but true has {masks[1].shape}'
        )
    return masks[0], masks[1]


def _regions(
    pred: Integer[np.ndarray, 'H W'],
    true: Integer[np.ndarray, 'H W'],
    num_pred: int,
    num_true: int,
) -> Float[np.ndarray, 'O K']:
    shape = (num_true + 1, num_pred + 1)
    codes = true.astype(np.int64) * shape[1] + pred
    counts = np.bincount(codes.ravel(), minlength=shape[0] * shape[1])
    counts = counts.reshape(shape).astype(float)
    union = counts.sum(1, keepdims=True) + counts.sum(0) - counts
    overlap = np.ones(shape)
    np.divide(counts, union, out=overlap, where=union > 0)
    return overlap[:num_true, :num_pred]


def _boundaries(
    pred: Integer[np.ndarray, 'H W'],
    true: Integer[np.ndarray, 'H W'],
    num_pred: int,
    num_true: int,
    radius: float,
) -> Float[np.ndarray, 'O K']:
    pred_bits = _boundary_bits(pred, num_pred)
    true_bits = _boundary_bits(true, num_true)
    by_pred, pred_size = _hits(
        pred_bits, true_bits, num_pred, num_true, radius
    )
    by_true, true_size = _hits(
        true_bits, pred_bits, num_true, num_pred, radius
    )
    precision = by_pred.T / np.maximum(pred_size, 1)
    recall = by_true / np.maximum(true_size, 1)[:, None]
    total = precision + recall
    score = 2 * precision * recall / np.where(total > 0, total, 1)
    neither = (true_size[:, None] == 0) & (pred_size == 0)
    return np.where(neither, 1.0, score)


def _boundary_bits(
    frame: Integer[np.ndarray, 'H W'], count: int
) -> Int[np.ndarray, 'H W']:
    """Set bit i where the boundary of label i passes.

    A pixel is on the boundary of a mask that holds some but not all of the
    pixel and its right, lower and lower right neighbours; a neighbour outside
    the frame does not count, and at the rim neither does the diagonal one.
    """
    if count > MAX_LABELS:
        raise ValueError(f'{count} masks are more than {MAX_LABELS}')
    bit = np.append(np.int64(1) << np.arange(count, dtype=np.int64), 0)
    bits = np.zeros(frame.shape, dtype=np.int64)
    height, width = frame.shape
    for down, right in ((0, 1), (1, 0), (1, 1)):
        here = frame[: height - down, : width - right]
        there = frame[down:, right:]
        at = np.nonzero(here != there)
        bits[at] |= bit[here[at]] | bit[there[at]]
    return bits


def _hits(
    bits: Int[np.ndarray, 'H W'],
    other: Int[np.ndarray, 'H W'],
    count: int,
    other_count: int,
    radius: float,
) -> tuple[Float[np.ndarray, 'A B'], Float[np.ndarray, ' A']]:
    """Count boundary pixels near each boundary of the other frame, and all."""
    rim = int(radius)
    reach = np.arange(-rim, rim + 1)
    down, right = np.meshgrid(reach, reach, indexing='ij')
    disc = down**2 + right**2 <= radius**2
    padded = np.pad(other, rim)
    offsets = down[disc] * padded.shape[1] + right[disc]
    rows, columns = np.nonzero(bits)
    centres = (rows + rim) * padded.shape[1] + columns + rim
    near = np.empty(len(centres), dtype=np.int64)
    for start in range(0, len(centres), _CHUNK):
        part = slice(start, start + _CHUNK)
        around = padded.ravel()[centres[part, None] + offsets]
        near[part] = np.bitwise_or.reduce(around, axis=1)
    mine = _unpack(bits[rows, columns], count)
    return mine.T.astype(float) @ _unpack(near, other_count), mine.sum(
        axis=0, dtype=float
    )


def _unpack(
    bits: Int[np.ndarray, ' P'], count: int
) -> Bool[np.ndarray, 'P {count}']:
    return (rearrange(bits, 'p -> p 1') >> np.arange(count)) & 1 > 0
