"""COCO run-length masks: strings, lists and polygons.

Runs go down the columns and start with the zeros, so a mask that begins with
a one starts with an empty run. In the compressed form a run from the fourth
on is the difference to the run two before; each number is cut into groups of
five bits, lowest first, with a sixth bit for "more follow", plus 48 as a
character.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

_OFFSET = 48  # of the characters
_POLYGON_SCALE = 5  # sub-pixels per pixel along an outline


def encode_mask(mask: Bool[np.ndarray, 'H W']) -> dict[str, Any]:
    """Return ``dict(size=[H, W], counts=<compressed string>)``."""
    return dict(size=list(mask.shape), counts=compress_runs(mask_runs(mask)))


def decode_mask(
    segmentation: Any, size: Sequence[int], *, frame: int = 0
) -> Bool[np.ndarray, 'H W']:
    """Return the mask of an RLE, of polygons or of None.

    Args:
        segmentation: As in :func:`frame_runs`.
        size: Height and width the mask must have.
        frame: Its number, for errors.
    """
    empty = np.array([size[0] * size[1]])
    before = [None] * frame
    runs = frame_runs([*before, segmentation], size).get(frame, empty)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(tuple(size), order='F')


def frame_runs(
    segmentations: Sequence[Any], size: Sequence[int]
) -> dict[int, Int[np.ndarray, ' _']]:
    """Return the runs of every frame that has a mask.

    Args:
        segmentations: For each frame ``dict(size, counts)`` with counts as
            compressed string or list, or a list of polygons ``[x0, y0, x1,
            y1, ...]``, or None.
        size: Height and width the masks must have.

    Returns:
        Frame -> runs, frames ascending.

    Raises:
        ValueError: If a size differs, runs do not add up to it, a string is
            malformed, or a polygon has fewer than three corners; names the
            frame.
    """
    height, width = size
    runs: dict[int, np.ndarray] = {}
    strings: dict[int, str | bytes] = {}
    for t, segmentation in enumerate(segmentations):
        if not segmentation:
            continue
        if not isinstance(segmentation, dict):
            runs[t] = _polygon_runs(segmentation, height, width, t)
            continue
        if list(segmentation.get('size', ())) != [height, width]:
            raise ValueError(
                f'frame {t}: RLE has size {segmentation.get("size")}, the '
                f'video has {[height, width]}'
            )
        counts = segmentation.get('counts', ())
        if isinstance(counts, str | bytes):
            strings[t] = counts
        else:
            runs[t] = np.asarray(counts, dtype=np.int64)
    runs |= decompress_runs(strings)
    for t, lengths in runs.items():
        if lengths.sum() != height * width or lengths.min() < 0:
            raise ValueError(
                f'frame {t}: RLE runs add up to {lengths.sum()} (smallest '
                f'{lengths.min(initial=0)}), the frame has {height} x {width} '
                f'pixels'
            )
    return dict(sorted(runs.items()))


def mask_runs(mask: Bool[np.ndarray, 'H W']) -> Int[np.ndarray, ' R']:
    """Return the lengths of alternating runs of zeros and ones."""
    flat = mask.ravel(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]]))
    return np.append(0, runs) if flat[:1].any() else runs


def compress_runs(runs: Int[np.ndarray, ' R']) -> str:
    """Write runs as a compressed string."""
    values = runs.astype(np.int64)
    values[3:] -= runs[1:-2]
    magnitude = np.where(values < 0, ~values, values)
    group = np.arange(8)
    # A signed number of n groups lies below 2 ** (5 n - 1).
    used = magnitude[:, None] >= 1 << np.maximum(5 * group - 1, 0)
    used[:, 0] = True
    more = np.pad(used[:, 1:], ((0, 0), (0, 1)))
    digits = (values[:, None] >> (5 * group)) & 0x1F | more * 0x20
    return (digits + _OFFSET)[used].astype(np.uint8).tobytes().decode('ascii')


def decompress_runs(
    strings: Mapping[int, str | bytes],
) -> dict[int, Int[np.ndarray, ' _']]:
    """Read the runs of compressed strings, all at once.

    Args:
        strings: Frame -> string.

    Returns:
        Frame -> runs.

    Raises:
        ValueError: If a string has a character out of range or breaks off;
            names the frame.
    """
    raw = {
        t: text.encode('latin-1') if isinstance(text, str) else text
        for t, text in strings.items()
    }
    text = b''.join(raw.values())
    digits = np.frombuffer(text, dtype=np.uint8) - np.uint8(_OFFSET)
    stops = np.cumsum([len(part) for part in raw.values()], dtype=int)
    _check_digits(digits, stops, list(raw))
    last = np.flatnonzero(digits < 32)
    runs = _signed(digits & 31, last)
    counts = np.diff(np.searchsorted(last, stops), prepend=0)
    # One row for each string: a run adds to the one two before.
    inside = np.arange(counts.max(initial=0)) < counts[:, None]
    rows = np.zeros(inside.shape, np.int64)
    rows[inside] = runs
    rows[:, 1::2] = np.cumsum(rows[:, 1::2], axis=1)
    rows[:, 2::2] = np.cumsum(rows[:, 2::2], axis=1)
    return {
        t: row[:count] for t, row, count in zip(raw, rows, counts, strict=True)
    }


def _check_digits(
    digits: UInt8[np.ndarray, ' P'],
    stops: Int[np.ndarray, ' S'],
    frames: list[int],
) -> None:
    bad = digits >= 64
    bad[stops[stops > 0] - 1] |= digits[stops[stops > 0] - 1] >= 32
    if bad.any():
        at = np.searchsorted(stops, bad.argmax(), side='right')
        raise ValueError(f'frame {frames[at]}: malformed RLE string')


def _signed(
    digits: UInt8[np.ndarray, ' P'], last: Int[np.ndarray, ' R']
) -> Int[np.ndarray, ' R']:
    """Put five-bit groups together to signed numbers that end at ``last``."""
    length = np.diff(last, prepend=-1)
    values = digits[last].astype(np.int64)
    values -= (values & 16) << 1  # the highest group holds the sign
    for lower in range(1, length.max(initial=0)):
        longer = np.flatnonzero(length > lower)
        values[longer] = (values[longer] << 5) + digits[last[longer] - lower]
    return values


def _polygon_runs(
    polygons: Any, height: int, width: int, frame: int
) -> Int[np.ndarray, ' R']:
    """Fill polygons and return the runs of their union."""
    union = np.zeros(height * width, dtype=bool)
    for polygon in polygons:
        corners = np.asarray(polygon, dtype=float)
        if corners.ndim != 1 or corners.size % 2 or corners.size < 6:
            raise ValueError(
                f'frame {frame}: a polygon needs three corners or more, got '
                f'{corners.size} numbers'
            )
        crossings = _crossings(corners.reshape(-1, 2), height, width)
        toggles = np.bincount(crossings, minlength=union.size + 1)[:-1]
        union |= np.cumsum(toggles) % 2 == 1
    return mask_runs(union.reshape((height, width), order='F'))


def _crossings(
    corners: Float[np.ndarray, 'E 2'], height: int, width: int
) -> Int[np.ndarray, ' P']:
    """Return the column-major pixels at which a polygon starts or ends.

    The outline is drawn on a grid of sub-pixels; where it steps from one
    column of sub-pixels to the next in the middle of a pixel column, the
    pixels below change sides.

    Source:
        The rules of cocodataset/cocoapi:common/maskApi.c@8c9bcc3.
    """
    x, y = _outline(np.trunc(_POLYGON_SCALE * corners + 0.5))
    step = np.flatnonzero(np.diff(x))
    column = np.where(x[step + 1] < x[step], x[step + 1], x[step + 1] - 1)
    column = (column + 0.5) / _POLYGON_SCALE - 0.5
    row = np.minimum(y[step], y[step + 1])
    row = np.ceil(((row + 0.5) / _POLYGON_SCALE - 0.5).clip(0, height))
    inside = (column == np.floor(column)) & (0 <= column) & (column < width)
    return (column * height + row)[inside].astype(np.int64)


def _outline(
    corners: Float[np.ndarray, 'E 2'],
) -> tuple[Float[np.ndarray, ' P'], Float[np.ndarray, ' P']]:
    """Walk along the closed outline, one sub-pixel of the longer side each."""
    points = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = np.abs(end - start)
        major = 0 if length[0] >= length[1] else 1
        backwards = start[major] > end[major]
        low, high = (end, start) if backwards else (start, end)
        along = np.arange(length[major] + 1)
        slope = (high - low)[1 - major] / max(length[major], 1)
        line = np.empty((len(along), 2))
        line[:, major] = low[major] + along
        line[:, 1 - major] = np.trunc(low[1 - major] + slope * along + 0.5)
        points.append(line[::-1] if backwards else line)
    walk = np.concatenate(points)
    return walk[:, 0], walk[:, 1]
