"""Videos with YTVIS or OVIS annotations, read as they lie."""

import os
import pickle
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from slotkd.datasets.frame_files import read_frame
from slotkd.datasets.video_dataset import VideoDataset
from slotkd.datasets.video_problems import MissingVideoError, describe_each
from slotkd.ops.choices import check_choice
from slotkd.ops.instance_labels import VOID, labels_from_channels
from slotkd.ops.rle import decode_mask
from slotkd.ops.vis_annotations import (
    VisAnnotations,
    VisTrack,
    VisVideo,
    errors_naming,
    pick_videos,
    read_annotations,
)
from slotkd.registry import DATASETS

CROWDS = ('exclude', 'void')


@DATASETS.register_module()
class YTVISDataset(VideoDataset):
    """YouTube-VIS 2019, 2021, 2022 and OVIS, videos in the order of ids.

    Instances are numbered from 1 in the order of the file; a frame in which
    one is ``null`` does not show it. ``object_labels`` of a clip gives the
    class of each instance, 0 to V - 1 in the order of category ids,
    ``object_categories`` its name; ``metainfo['classes']`` lists the names.
    ``video_id`` is the id of the file as text.

    Args:
        data_root: The folder that holds everything.
        pipeline: Transforms.
        ann_file: The annotations below ``data_root``; of several names the
            first that exists is read.
        frames_dir: The folder below ``data_root`` that the ``file_names`` of
            the annotations are relative to.
        with_masks: Whether to read masks. Without, the annotations are not
            looked at: official validation and test files have none.
        video_range: Start and stop of the videos in the order of their ids,
            as in a slice: ``(-300, None)`` are the last 300, ``(None,
            -300)`` all others.
        first_videos: Keep only so many, counted after ``video_range``.
        crowd: Tracks that stand for groups: ``'exclude'`` shows background
            in their place, ``'void'`` pixels that do not count.
        ignore_overlaps: Pixels of several instances become void; else they
            are an error.
        skip_missing: Leave out videos that lack frames on disk and log how
            many; else they are an error.
        clip_len: See :class:`VideoDataset`, as are the following.
        frame_stride: Step between frames.
        clip_mode: How clips are chosen.
        skip_short: Leave out videos that are too short.

    Raises:
        ValueError: If the annotations are broken (see
            :func:`slotkd.ops.vis_annotations.read_annotations`), a frame is
            missing, or more videos are asked for than there are.

    Source:
        Yang et al., Video Instance Segmentation, ICCV 2019,
        arXiv:1905.04804; Qi et al., OVIS, arXiv:2102.01558.
    """

    METAINFO = dict(name='ytvis')

    def __init__(
        self,
        data_root: str | Path,
        pipeline: Sequence = (),
        *,
        ann_file: str | Sequence[str],
        frames_dir: str = '',
        with_masks: bool = True,
        video_range: Sequence[int | None] | None = None,
        first_videos: int | None = None,
        crowd: str = 'exclude',
        ignore_overlaps: bool = False,
        skip_missing: bool = False,
        clip_len: int | None = None,
        frame_stride: int = 1,
        clip_mode: str = 'blocks',
        skip_short: bool = False,
    ) -> None:
        check_choice('crowd', crowd, CROWDS)
        self.root = Path(data_root)
        self.ann_path = find_file(self.root, ann_file)
        self.frames_root = self.root / frames_dir
        self.with_masks = with_masks
        self.video_range = video_range
        self.first_videos = first_videos
        self.crowd = crowd
        self.ignore_overlaps = ignore_overlaps
        self.skip_missing = skip_missing
        self._tracks: dict[str, bytes] = {}
        super().__init__(
            pipeline,
            clip_len=clip_len,
            frame_stride=frame_stride,
            clip_mode=clip_mode,
            skip_short=skip_short,
        )

    def list_videos(self) -> list[dict]:
        """List the videos by ascending id and keep their tracks."""
        truth = self.read_truth()
        with errors_naming(self.ann_path):
            names = pick_videos(list(truth.videos), self.video_range)
            if self.first_videos is not None:
                names = pick_videos(names, (0, self.first_videos))
        self._metainfo['classes'] = truth.class_names
        self._labels = truth.labels
        self._categories = truth.categories
        if self.with_masks:
            # One string for each video is what worker processes share well.
            self._tracks = {
                str(name): pickle.dumps(truth.tracks[name]) for name in names
            }
        present = cache(_names_in)
        return describe_each(
            names,
            lambda name: self._describe(truth.videos[name], present),
            skip_missing=self.skip_missing,
        )

    def read_truth(self) -> VisAnnotations:
        """Read the file."""
        return read_annotations(self.ann_path, with_tracks=self.with_masks)

    def read_frames(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[np.ndarray]:
        """Decode the frames of a clip."""
        return [
            read_frame(self.frames_root / video['frames'][index])
            for index in frame_ids
        ]

    def read_masks(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[np.ndarray] | None:
        """Draw the instances of each frame of a clip."""
        if not self.with_masks:
            return None
        tracks = self.read_tracks(video)
        return [self._draw(video, tracks, index) for index in frame_ids]

    def read_tracks(self, video: dict) -> list[VisTrack]:
        """Return the annotated tracks of a video, crowds included."""
        return pickle.loads(self._tracks[video['video_id']])

    def clip_info(self, video: dict, frame_ids: Sequence[int]) -> dict:
        """Say which class each instance has."""
        if not self.with_masks:
            return {}
        kinds = [
            track.category_id
            for track in self.read_tracks(video)
            if not track.is_crowd
        ]
        return dict(
            object_labels={
                label: self._labels[kind]
                for label, kind in enumerate(kinds, 1)
            },
            object_categories={
                label: self._categories[kind]
                for label, kind in enumerate(kinds, 1)
            },
        )

    def _describe(
        self, video: VisVideo, present: Callable[[Path], set[str]]
    ) -> dict:
        """Check that the frames of one video are there."""
        if not video.file_names:
            raise ValueError(
                f'{self.ann_path}: video {video.id!r} names no file_names'
            )
        absent = [
            name
            for name in video.file_names
            if Path(name).name not in present((self.frames_root / name).parent)
        ]
        if absent:
            raise MissingVideoError(
                f'{self.ann_path} lists video {video.id!r}, of which '
                f'{len(absent)} of {video.length} frames are missing, first '
                f'{self.frames_root / absent[0]}'
            )
        return dict(
            video_id=str(video.id),
            video_length=video.length,
            size=video.size,
            frames=list(video.file_names),
        )

    def _draw(
        self, video: dict, tracks: Sequence[VisTrack], index: int
    ) -> UInt8[np.ndarray, 'H W']:
        """Label the pixels of one frame."""
        name = f'{self.ann_path}: video {video["video_id"]}'
        size = video['size']

        def decode(track: VisTrack) -> Bool[np.ndarray, 'H W']:
            with errors_naming(f'{name}: annotation {track.id}'):
                return decode_mask(
                    track.segmentations[index], size, frame=index
                )

        single = [decode(track) for track in tracks if not track.is_crowd]
        with errors_naming(f'{name}, frame {index}'):
            labels = labels_from_channels(
                single, size, ignore_overlaps=self.ignore_overlaps
            )
        if self.crowd == 'void':
            for track in tracks:
                if track.is_crowd:
                    labels[decode(track) & (labels == 0)] = VOID
        return labels


def find_file(root: Path, names: str | Sequence[str]) -> Path:
    """Return the first of several files that exists.

    Args:
        root: The folder the names are relative to.
        names: One name or several.

    Raises:
        ValueError: If none exists; names all.
    """
    paths = [
        root / name for name in ([names] if isinstance(names, str) else names)
    ]
    for path in paths:
        if path.is_file():
            return path
    raise ValueError(
        f'no annotations: {", ".join(map(str, paths)) or "no name"} not found'
    )


def _names_in(folder: Path) -> set[str]:
    """Return the names of the files in a folder, none if it is missing."""
    try:
        return {entry.name for entry in os.scandir(folder)}
    except (FileNotFoundError, NotADirectoryError):
        return set()
