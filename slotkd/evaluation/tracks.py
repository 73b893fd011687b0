"""YTVIS tracks: reading, checking, and their overlap in space and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Integer

from slotkd.ops.rle import frame_runs
from slotkd.ops.vis_annotations import VisVideo


@dataclass(frozen=True, kw_only=True)
class Track:
    """One object through a video, as runs of pixels.

    Args:
        edges: Start, end, start, ... of the runs of ones, end exclusive, in
            pixels counted down the columns and on through the frames.
        area: Mean number of pixels over the frames that have any.
    """

    edges: Int[np.ndarray, ' E']
    area: float

    @property
    def pixels(self) -> int:
        """Number of pixels in all frames."""
        return int((self.edges[1::2] - self.edges[::2]).sum())


def read_track(
    segmentations: Sequence[Any],
    video: VisVideo,
    areas: Sequence[float | int | None] | None = None,
) -> Track:
    """Decode the segmentations of a track, None where it is absent.

    Args:
        segmentations: RLE, polygons or None of each frame.
        video: The video they belong to.
        areas: Areas as annotated, which win over the decoded ones.

    Raises:
        ValueError: If there are more or fewer frames than the video has, or
            a mask does not fit; the frame is named.
    """
    if len(segmentations) != video.length:
        raise ValueError(
            f'{len(segmentations)} segmentations, but the video has '
            f'{video.length} frames'
        )
    runs = frame_runs(segmentations, video.size)
    if not runs:
        return Track(edges=np.empty(0, np.int64), area=0.0)
    lengths = np.array([len(part) for part in runs.values()])
    joined = np.concatenate(list(runs.values()))
    first = np.cumsum(lengths) - lengths
    ones = (np.arange(len(joined)) - np.repeat(first, lengths)) % 2 == 1
    # Each frame's runs add up to its pixels; absent frames are skipped over.
    skipped = np.array(list(runs)) - np.arange(len(runs))
    shift = np.repeat(skipped * video.size[0] * video.size[1], lengths)
    ends = (np.cumsum(joined) + shift)[ones]
    edges = np.stack([ends - joined[ones], ends], axis=1).ravel()
    pixels = areas or np.add.reduceat(joined * ones, first).tolist()
    known = [float(area) for area in pixels if area]
    return Track(edges=edges, area=sum(known) / len(known) if known else 0.0)


def label_tracks(
    labels: Integer[np.ndarray, 'T H W'], count: int
) -> list[Track]:
    """Return the pixels of each label of a video as a track.

    Args:
        labels: Label of each pixel, 0 to ``count - 1``.
        count: Number of tracks; one may be empty.
    """
    edges: list[list[np.ndarray]] = [[] for _ in range(count)]
    frames = np.zeros(count)
    pixels = np.zeros(count)
    offset = 0
    for frame in labels:
        flat = frame.ravel(order='F')
        change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        starts = np.concatenate([[0], change])
        ends = np.append(change, flat.size)
        owners = flat[starts]
        for label in np.unique(owners):
            own = owners == label
            runs = np.stack([starts[own], ends[own]], axis=1)
            edges[label].append(runs.ravel() + offset)
            frames[label] += 1
            pixels[label] += (runs[:, 1] - runs[:, 0]).sum()
        offset += flat.size
    return [
        Track(
            edges=np.concatenate([np.empty(0, np.int64), *edges[label]]),
            area=float(pixels[label] / max(frames[label], 1)),
        )
        for label in range(count)
    ]


def track_ious(
    predicted: Sequence[Track], true: Sequence[Track]
) -> Float[np.ndarray, 'D G']:
    """Pixels in common over pixels in either, both summed over all frames.

    A frame in which one track is absent adds the other's pixels to the
    union. Two empty tracks have IoU 0.
    """
    common = np.zeros((len(predicted), len(true)))
    lengths = [len(track.edges) for track in predicted]
    edges = np.concatenate(
        [np.empty(0, np.int64), *(track.edges for track in predicted)]
    )
    owner = np.repeat(np.arange(len(predicted)), lengths)
    sign = np.where(np.arange(len(edges)) % 2 == 1, 1.0, -1.0)
    for column, track in enumerate(true):
        covered = _pixels_before(track, edges)
        common[:, column] = np.bincount(
            owner, weights=sign * covered, minlength=len(predicted)
        )
    own = np.array([track.pixels for track in predicted], float)
    other = np.array([track.pixels for track in true], float)
    union = own[:, None] + other - common
    return common / np.maximum(union, 1)


def check_score(value: Any, where: str) -> float:
    """Return a score as float.

    Raises:
        ValueError: If it is not a finite number.
    """
    if not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f'{where} has score {value!r}')
    return float(value)


def _pixels_before(
    track: Track, positions: Int[np.ndarray, ' P']
) -> Int[np.ndarray, ' P']:
    """Count the pixels of a track in front of each position."""
    edges = track.edges
    if len(edges) == 0:
        return np.zeros_like(positions)
    widths = np.diff(edges)
    widths[1::2] = 0  # from the end of a run to the start of the next
    before = np.concatenate([[0], np.cumsum(widths)])
    passed = np.searchsorted(edges, positions, side='right')
    last = np.maximum(passed - 1, 0)
    inside = passed % 2 == 1
    return before[last] + inside * (positions - edges[last])
