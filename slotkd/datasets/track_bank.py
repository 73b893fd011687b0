"""The annotated tracks of a data set that may be pasted elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from slotkd.datasets.frame_files import read_frame
from slotkd.ops.rle import decode_mask, frame_runs
from slotkd.ops.vis_annotations import (
    VisTrack,
    VisVideo,
    errors_naming,
    read_annotations,
)


@dataclass(frozen=True, kw_only=True)
class SourceTrack:
    """A track with the video it comes from."""

    video: VisVideo
    track: VisTrack


class TrackBank:
    """Tracks of a YTVIS or OVIS file by class, large and long enough.

    Args:
        ann_file: The annotations; crowds are left out.
        frames_root: The folder that its ``file_names`` are relative to.
        min_area: Smallest area that counts, as a share of the frame.
        min_share: Share of the frames in which a track must have it.

    Attributes:
        counts: Number of annotated tracks of each class, usable or not.
        sources: Usable tracks of each class.
        tracks_per_video: Mean number of annotated tracks.

    Raises:
        ValueError: If the file is broken or has no tracks.
    """

    def __init__(
        self,
        ann_file: str | Path,
        frames_root: str | Path,
        *,
        min_area: float | int = 0.01,
        min_share: float | int = 0.6,
    ) -> None:
        truth = read_annotations(ann_file)
        self.frames_root = Path(frames_root)
        self.sources: list[list[SourceTrack]] = [[] for _ in truth.labels]
        self.counts = np.zeros(len(truth.labels), dtype=int)
        with errors_naming(ann_file):
            for name, video in truth.videos.items():
                for track in truth.tracks[name]:
                    if track.is_crowd:
                        continue
                    label = truth.labels[track.category_id]
                    self.counts[label] += 1
                    areas = track_areas(track, video)
                    large = areas >= min_area * np.prod(video.size)
                    if large.mean() >= min_share:
                        source = SourceTrack(video=video, track=track)
                        self.sources[label].append(source)
            if not self.counts.sum():
                raise ValueError('there is no track to paste')
        self.tracks_per_video = self.counts.sum() / len(truth.videos)

    def read(
        self, source: SourceTrack, times: Sequence[int]
    ) -> tuple[UInt8[np.ndarray, 'T H W 3'], Bool[np.ndarray, 'T H W']]:
        """Read frames of a source, in RGB, and the track's masks.

        Args:
            source: One of ``sources``.
            times: Indices of the frames; they may repeat.
        """
        needed = sorted(set(times))
        names = [source.video.file_names[t] for t in needed]
        frames = [read_frame(self.frames_root / name) for name in names]
        masks = [
            decode_mask(source.track.segmentations[t], source.video.size)
            for t in needed
        ]
        order = np.searchsorted(needed, times)
        return np.stack(frames)[order], np.stack(masks)[order]


def track_areas(track: VisTrack, video: VisVideo) -> np.ndarray:
    """Return the pixels of a track in each frame, 0 where it is absent.

    Args:
        track: The track; its annotated areas are taken where it has them.
        video: Its video.
    """
    if track.areas is not None:
        return np.array([float(area or 0) for area in track.areas])
    areas = np.zeros(video.length)
    for t, runs in frame_runs(track.segmentations, video.size).items():
        areas[t] = runs[1::2].sum()
    return areas
