"""Clips of stored videos: the base class of all readers."""

import logging
import pickle
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from slotkd.datasets.clip_sampling import (
    block_starts,
    check_clip_options,
    clip_span,
    draw_start,
)
from slotkd.datasets.transforms import build_transforms
from slotkd.datasets.video_problems import gather


class VideoDataset(BaseDataset, ABC):
    """Cuts clips out of videos and hands them to the pipeline.

    A reader implements :meth:`list_videos`, :meth:`read_frames` and
    :meth:`read_masks`. Only the frames of the clip are read.

    Random clips come from numpy's global generator. mmengine seeds it once
    in each worker process, and in the main process where there are no
    workers, so the clips of a run follow from its seed and the number of
    workers; with an endless sampler (``InfiniteSampler``) or
    ``persistent_workers=True`` every visit of a video draws anew.

    Args:
        pipeline: Transforms, configs or callables.
        clip_len: Frames of a clip; None takes the whole video.
        frame_stride: Step between the frames of a clip.
        clip_mode: ``'blocks'``: one item per video, each visit draws one of
            its consecutive non-overlapping blocks. ``'random'``: the same
            with any first frame. ``'all'``: each block is an item of its
            own, nothing is drawn.
        skip_short: Leave out videos shorter than a clip and log how many;
            else they are an error.
    """

    def __init__(
        self,
        pipeline: Sequence = (),
        *,
        clip_len: int | None = None,
        frame_stride: int = 1,
        clip_mode: str = 'blocks',
        skip_short: bool = False,
    ) -> None:
        check_clip_options(clip_len, frame_stride, clip_mode)
        self.clip_len = clip_len
        self.frame_stride = frame_stride
        self.clip_mode = clip_mode
        self.skip_short = skip_short
        self._unpacked: tuple[int, dict] = -1, {}
        super().__init__(pipeline=build_transforms(pipeline))

    @abstractmethod
    def list_videos(self) -> list[dict]:
        """List the videos.

        Returns:
            For each video ``video_id``, ``video_length`` and what the two
            readers need.
        """

    @abstractmethod
    def read_frames(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[np.ndarray]:
        """Read frames of one video, uint8 (H, W, 3) in RGB."""

    @abstractmethod
    def read_masks(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[np.ndarray] | None:
        """Read the labels of the same frames, or None without labels."""

    def read_clip(
        self, video: dict, frame_ids: Sequence[int]
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        """Read frames and labels; for readers that get both at once."""
        return (
            self.read_frames(video, frame_ids),
            self.read_masks(video, frame_ids),
        )

    def clip_info(self, video: dict, frame_ids: Sequence[int]) -> dict:
        """Return what else is known of a clip, for its metainfo."""
        return {}

    def load_data_list(self) -> list[dict]:
        """List videos, or in mode ``'all'`` clips."""
        videos = self.list_videos()
        if self.clip_len is None:
            return videos
        long_enough = [v for v in videos if self._fits(v)]
        if len(long_enough) < len(videos):
            print_log(
                f'left out {len(videos) - len(long_enough)} of {len(videos)} '
                f'videos shorter than a clip of {self.clip_len} frames',
                logger='current',
                level=logging.WARNING,
            )
        if not long_enough:
            raise ValueError(
                f'none of {len(videos)} videos is as long as clip_len='
                f'{self.clip_len}'
            )
        if self.clip_mode != 'all':
            return long_enough
        # A clip only points to its video: the list of frames of a long one,
        # copied into each of its clips, would fill the memory.
        self._clip_videos = [pickle.dumps(video) for video in long_enough]
        return [
            dict(clip_of=index, start=start)
            for index, video in enumerate(long_enough)
            for start in block_starts(
                video['video_length'], self.clip_len, self.frame_stride
            )
        ]

    def video_info(self, idx: int) -> dict:
        """Return the description of the video of an item, unread."""
        entry = super().get_data_info(idx)
        if 'clip_of' not in entry:
            return entry
        index = entry['clip_of']
        if self._unpacked[0] != index:
            self._unpacked = index, pickle.loads(self._clip_videos[index])
        return self._unpacked[1] | dict(start=entry['start'])

    def get_data_info(self, idx: int) -> dict:
        """Read one clip.

        Raises:
            ValueError: If frames differ in size or masks do not fit them.
        """
        video = self.video_info(idx)
        frame_ids = self._frame_ids(video)
        frames, masks = self.read_clip(video, frame_ids)
        shape = frames[0].shape[:2]
        name = video['video_id']
        _check_shapes(frames, shape, f'frames of video {name}', frame_ids)
        results = dict(
            video_id=name,
            frame_ids=frame_ids,
            video_length=video['video_length'],
            ori_shape=shape,
            img_shape=shape,
            img=frames,
            **self.clip_info(video, frame_ids),
        )
        if masks is not None:
            _check_shapes(masks, shape, f'masks of video {name}', frame_ids)
            results.update(gt_seg_map=masks, seg_fields=['gt_seg_map'])
        return results

    def _fits(self, video: dict) -> bool:
        """Say whether a clip fits a video; raise if it must."""
        assert self.clip_len is not None
        span = clip_span(self.clip_len, self.frame_stride)
        if span <= video['video_length']:
            return True
        problem = (
            f'video {video["video_id"]} has {video["video_length"]} frames, '
            f'a clip needs {span} (clip_len={self.clip_len}, frame_stride='
            f'{self.frame_stride})'
        )
        if gather([problem], skipped=self.skip_short) or self.skip_short:
            return False
        raise ValueError(f'{problem}; skip_short=True leaves such videos out')

    def _frame_ids(self, video: dict) -> list[int]:
        length = video['video_length']
        if self.clip_len is None:
            return list(range(0, length, self.frame_stride))
        start = video.get('start')
        if start is None:
            start = draw_start(
                length,
                self.clip_len,
                frame_stride=self.frame_stride,
                clip_mode=self.clip_mode,
            )
        span = clip_span(self.clip_len, self.frame_stride)
        return list(range(start, start + span, self.frame_stride))


def _check_shapes(
    frames: Sequence[np.ndarray],
    shape: tuple[int, ...],
    name: str,
    frame_ids: Sequence[int],
) -> None:
    """Compare the size of each frame with the size of the first image."""
    for frame, index in zip(frames, frame_ids, strict=True):
        if frame.shape[:2] != shape:
            raise ValueError(
                f'{name}: frame {index} is {frame.shape[0]}x{frame.shape[1]}, '
                f'but the first frame of the clip is {shape[0]}x{shape[1]}'
            )
