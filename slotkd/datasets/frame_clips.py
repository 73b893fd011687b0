"""Clips of the frames that a data set of single images holds."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from torch.utils.data import Dataset

from slotkd.datasets.frame_files import natural_key
from slotkd.datasets.video_dataset import VideoDataset
from slotkd.registry import DATASETS

VOID = 255


@DATASETS.register_module()
class FrameClipDataset(VideoDataset):
    r"""Clips over any data set of single frames, as those of mmsegmentation.

    Frames whose paths agree up to the end of the video's name are one video,
    ordered by the rest, numbers in counting order. Each frame goes through
    the pipeline of the wrapped data set, which only loads, so that its
    ``label_map``, ``reduce_zero_label``, file backends and lists of files
    keep their meaning; the clip then goes through ``pipeline``::

        dict(type='FrameClipDataset', clip_len=4, pipeline=[...],
             dataset=dict(type='CityscapesDataset', _scope_='mmseg', ...,
                          pipeline=[dict(type='LoadImageFromFile'),
                                    dict(type='LoadAnnotations')]))

    Frames must come out as mmcv loads them, in blue, green and red; clips
    are RGB, as everywhere in slotkd. Without ``LoadAnnotations`` there are no
    labels. Class names and palette of the wrapped data set are kept.

    Args:
        dataset: Config or data set, of :class:`mmengine.dataset.BaseDataset`.
        pipeline: Transforms of clips.
        video_pattern: Regular expression searched for in the path of each
            image, with ``/`` between folders. Its group ``video`` is the
            video's name. Default: the folder of the image. Cityscapes:
            ``r'(?P<video>[^/]+_\d+)_\d+_leftImg8bit'``; frames below
            ``<video>/origin``: ``r'(?P<video>[^/]+)/origin/[^/]+$'``.
        max_gap: Begin a new video where the numbers of neighbouring frames,
            read by a group ``frame`` of the pattern, differ by more than
            this. None: the order alone counts.
        zero_is_background: Whether label 0 means "nothing" (VOC) and not a
            class (Cityscapes). If not, class c becomes label c + 1, since
            metrics and ``VideoDataSample.gt_masks`` read 0 as background;
            255 stays void.
        clip_len: See :class:`VideoDataset`, as are the following.
        frame_stride: Step between frames.
        clip_mode: How clips are chosen.
        skip_short: Leave out videos that are too short.

    Raises:
        ValueError: If a path does not match, two videos share a name, or the
            wrapped pipeline does not give what a clip needs.
    """

    METAINFO = dict(name='frame_clips')

    def __init__(
        self,
        dataset: dict | Dataset,
        pipeline: Sequence = (),
        *,
        video_pattern: str = r'(?P<video>[^/]+)/[^/]+$',
        max_gap: int | None = None,
        zero_is_background: bool = True,
        clip_len: int | None = None,
        frame_stride: int = 1,
        clip_mode: str = 'blocks',
        skip_short: bool = False,
    ) -> None:
        self.video_pattern = compile_pattern(video_pattern, max_gap)
        self.max_gap = max_gap
        self.zero_is_background = zero_is_background
        self.frames = open_frames(dataset)
        super().__init__(
            pipeline,
            clip_len=clip_len,
            frame_stride=frame_stride,
            clip_mode=clip_mode,
            skip_short=skip_short,
        )
        self._metainfo.update(self.frames.metainfo)

    def list_videos(self) -> list[dict]:
        """Group the frames of the wrapped data set, videos by path."""
        paths = [
            Path(self.frames.get_data_info(index)['img_path']).as_posix()
            for index in range(len(self.frames))
        ]
        if not paths:
            raise ValueError(
                f'{type(self.frames).__name__} in FrameClipDataset is empty'
            )
        videos = []
        groups = group_frames(paths, self.video_pattern)
        for name, indices in groups.items():
            parts = [indices]
            if self.max_gap is not None:
                numbers = [
                    frame_number(paths[i], self.video_pattern) for i in indices
                ]
                parts = split_at_gaps(indices, numbers, self.max_gap)
            for count, part in enumerate(parts):
                video_id = f'{name}-{count}' if len(parts) > 1 else name
                videos.append(
                    dict(
                        video_id=video_id,
                        video_length=len(part),
                        indices=part,
                    )
                )
        print_log(
            f'{len(paths)} frames of {type(self.frames).__name__} are '
            f'{len(videos)} videos',
            logger='current',
            level=logging.INFO,
        )
        return videos

    def read_clip(
        self, video: dict, frame_ids: Sequence[int]
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        """Load frames and, where the wrapped data set has them, labels."""
        loaded = [self._load(video['indices'][index]) for index in frame_ids]
        frames = [
            np.ascontiguousarray(frame['img'][..., ::-1]) for frame in loaded
        ]
        if 'gt_seg_map' not in loaded[0]:
            return frames, None
        return frames, [self._labels(frame) for frame in loaded]

    def read_frames(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[np.ndarray]:
        """Load frames through the wrapped data set."""
        return self.read_clip(video, frame_ids)[0]

    def read_masks(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[np.ndarray] | None:
        """Load labels through the wrapped data set."""
        return self.read_clip(video, frame_ids)[1]

    def _load(self, index: int) -> dict:
        """Load one frame; an exception of mmcv names the file."""
        path = self.frames.get_data_info(index)['img_path']
        try:
            results = self.frames.prepare_data(index)
        # mmcv asserts that an image was decoded.
        except (AssertionError, OSError) as error:
            raise ValueError(
                f'frame {path} cannot be loaded: {error}'
            ) from error
        image = None if results is None else results.get('img')
        if not isinstance(image, np.ndarray) or image.ndim != 3:
            raise ValueError(
                f'frame {path}: the pipeline of '
                f'{type(self.frames).__name__} gives no image (H, W, 3); it '
                "should be [dict(type='LoadImageFromFile')], with "
                "dict(type='LoadAnnotations') for labels"
            )
        return results

    def _labels(self, frame: dict) -> np.ndarray:
        labels = frame['gt_seg_map']
        if self.zero_is_background:
            return labels
        if (labels == VOID - 1).any():
            raise ValueError(
                f'mask {frame.get("seg_map_path")} holds class {VOID - 1}; '
                f'with zero_is_background=False it would become {VOID}, void'
            )
        return np.where(labels == VOID, VOID, labels + 1).astype(labels.dtype)


def open_frames(dataset: dict | Dataset) -> BaseDataset:
    """Build the data set that is wrapped and list its frames.

    Raises:
        ValueError: If it is not of mmengine's ``BaseDataset``.
    """
    built = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
    if not isinstance(built, BaseDataset):
        raise ValueError(
            'FrameClipDataset wraps a BaseDataset of mmengine, got '
            f'{type(built).__name__}; join data sets around it'
        )
    built.full_init()
    return built


def compile_pattern(pattern: str, max_gap: int | None) -> re.Pattern[str]:
    """Compile a pattern of paths and check its groups.

    Raises:
        ValueError: If it is no regular expression, has no group ``video``,
            or no group ``frame`` although gaps are looked for.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f'video_pattern={pattern!r} is no regular expression: {error}'
        ) from error
    needed = ['video'] if max_gap is None else ['video', 'frame']
    for name in needed:
        if name not in compiled.groupindex:
            raise ValueError(
                f'video_pattern={pattern!r} has no group (?P<{name}>...)'
                + (f', which max_gap={max_gap} needs' * (name == 'frame'))
            )
    if max_gap is not None and max_gap < 1:
        raise ValueError(f'max_gap must be 1 or more, got {max_gap}')
    return compiled


def group_frames(
    paths: Sequence[str], pattern: re.Pattern[str]
) -> dict[str, list[int]]:
    """Group frames by video.

    Args:
        paths: Path of each frame.
        pattern: With a group ``video``.

    Returns:
        Name of each video, in the order of the paths, to the places of its
        frames in ``paths``, ordered by path with numbers in counting order.

    Raises:
        ValueError: If a path does not match or videos of different folders
            share a name.
    """
    groups: dict[str, list[int]] = {}
    roots: dict[str, str] = {}
    for index, path in enumerate(paths):
        match = _match(pattern, path)
        name, root = match['video'], path[: match.end('video')]
        if roots.setdefault(name, root) != root:
            raise ValueError(
                f'{roots[name]} and {root} are both named {name!r}; let the '
                'group video of video_pattern take in more of the path'
            )
        groups.setdefault(name, []).append(index)
    return {
        name: sorted(indices, key=lambda index: _counting_order(paths[index]))
        for name, indices in groups.items()
    }


def frame_number(path: str, pattern: re.Pattern[str]) -> int:
    """Read the number of a frame from its path.

    Raises:
        ValueError: If the group ``frame`` holds no number.
    """
    text = _match(pattern, path)['frame']
    if text is None or not text.isdigit():
        raise ValueError(
            f'group frame of video_pattern reads {text!r} from {path}, '
            'expected a number'
        )
    return int(text)


def split_at_gaps(
    indices: Sequence[int], numbers: Sequence[int], max_gap: int
) -> list[list[int]]:
    """Cut a list of frames where their numbers jump.

    Args:
        indices: Frames of one video, in order.
        numbers: Number of each frame.
        max_gap: Largest difference between neighbours of one part.
    """
    parts = [[indices[0]]]
    for place in range(1, len(indices)):
        if abs(numbers[place] - numbers[place - 1]) > max_gap:
            parts.append([])
        parts[-1].append(indices[place])
    return parts


def _counting_order(path: str) -> list:
    return [natural_key(Path(part)) for part in path.split('/')]


def _match(pattern: re.Pattern[str], path: str) -> re.Match[str]:
    match = pattern.search(path)
    if match is None or not match['video']:
        raise ValueError(
            f'video_pattern={pattern.pattern!r} does not fit {path}'
        )
    return match
