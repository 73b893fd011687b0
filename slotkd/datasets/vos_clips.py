"""Training clips of video object segmentation: a reference and followers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from mmengine.dataset import BaseDataset

from slotkd.datasets.transforms import build_transforms
from slotkd.datasets.video_dataset import VideoDataset
from slotkd.ops.choices import check_choice
from slotkd.ops.region_proposals import propose_regions
from slotkd.registry import DATASETS

VOID = 255
REFERENCES = ('random', 'first')
_TRIES = 5


def draw_frame_ids(
    length: int, num_frames: int, *, max_gap: int, reference: str
) -> list[int]:
    """Draw frames with random gaps, with numpy's global generator.

    Gaps are 1 to ``max_gap``, less where the video is too short; a video
    shorter than the clip is played back and forth.

    Args:
        length: Frames of the video.
        num_frames: Frames of the clip.
        max_gap: Largest step from one frame to the next.
        reference: ``'random'`` begins anywhere, ``'first'`` at frame 0.
    """
    steps = num_frames - 1
    largest = min(max_gap, (length - 1) // max(steps, 1))
    gaps = np.random.randint(1, max(largest, 1) + 1, steps)
    ids = np.concatenate([[0], np.cumsum(gaps)])
    room = max(length - 1 - int(ids[-1]), 0)
    if reference == 'random':
        ids = ids + np.random.randint(room + 1)
    period = max(2 * (length - 1), 1)
    folded = ids % period
    return np.minimum(folded, period - folded).tolist()


def relabel_objects(
    masks: Sequence[Integer[np.ndarray, 'H W']],
    *,
    max_objects: int,
    min_pixels: int,
) -> list[UInt8[np.ndarray, 'H W']]:
    """Number the objects of the first frame from 1; others are background.

    Args:
        masks: Labels of a clip, 0 background, 255 void.
        max_objects: More are dropped at random, with numpy's generator.
        min_pixels: Objects smaller in the first frame are dropped.

    Returns:
        Labels 0 to O; void stays void.
    """
    labels, counts = np.unique(masks[0], return_counts=True)
    real = (labels != 0) & (labels != VOID) & (counts >= min_pixels)
    kept = labels[real]
    if len(kept) > max_objects:
        kept = np.sort(np.random.permutation(kept)[:max_objects])
    highest = max(int(mask.max()) for mask in masks)
    table = np.zeros(max(highest, VOID) + 1, np.uint8)
    table[kept] = np.arange(1, len(kept) + 1)
    table[VOID] = VOID
    return [table[mask] for mask in masks]


def merge_clips(back: dict, front: dict) -> dict:
    """Paste the objects of one clip over another, frame by frame.

    The labels of ``front`` are raised above those of ``back``.

    Args:
        back: Results with ``img`` and ``gt_seg_map``.
        front: The same, of equal length and size.

    Returns:
        The results of ``back`` with frames and 32-bit labels of both.

    Raises:
        ValueError: If the clips differ in length or size.
    """
    shapes = [
        (len(clip['img']), *clip['img'][0].shape[:2]) for clip in (back, front)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            'clips to merge need one (frames, height, width), got '
            f'{shapes[0]} of {back.get("video_id")} and {shapes[1]} of '
            f'{front.get("video_id")}; resize or crop them first'
        )
    frames, masks = [], []
    for frame, mask, over, over_mask in zip(
        back['img'],
        back['gt_seg_map'],
        front['img'],
        front['gt_seg_map'],
        strict=True,
    ):
        pasted = (over_mask > 0) & (over_mask != VOID)
        frames.append(np.where(pasted[..., None], over, frame))
        raised = over_mask.astype(np.int32) + VOID
        masks.append(np.where(pasted, raised, mask.astype(np.int32)))
    return dict(back, img=frames, gt_seg_map=masks)


@DATASETS.register_module()
class VosClipDataset(BaseDataset):
    """Clips that begin with a frame in which there are objects.

    The objects of the first frame are numbered 1 to O, what appears later
    becomes background. Random choices come from numpy's global generator,
    those of regions from torch's.

    Args:
        dataset: Config or data set of whole videos,
            :class:`slotkd.datasets.VideoDataset` without ``clip_len``.
        pipeline: Transforms of the finished clip; ``PackVideoInputs``.
        clip_pipeline: Transforms of each clip before merging: those that
            change its geometry.
        num_frames: Frames read for a clip.
        max_gap: Largest step between frames, see :func:`draw_frame_ids`.
        reference: ``'random'``: any frame with objects is the reference, and
            all masks are read. ``'first'``: frame 0 is, and its mask is the
            only one read; later frames are void. Such clips are neither
            reversed nor merged, unless they begin as one frame.
        reverse_prob: Share of the clips that run backwards.
        merge_prob: Share of the clips over which the objects of another clip
            are pasted; those whose reference has no object always are.
        min_pixels: Pixels of objects that a reference needs.
        min_object_pixels: Smaller objects of the reference are dropped.
        max_objects: Most objects of a clip.
        regions: Options of
            :func:`slotkd.ops.region_proposals.propose_regions`: regions of
            the reference stand for its objects, no mask is used, and later
            frames are void. Merging pastes them over a clip of another
            video, whose own regions do not count.

    Raises:
        ValueError: If masks of later frames would be needed that are not
            read, or a number is out of range.

    Source:
        Clips of yoxu515/aot-benchmark@04fe7d9. Differs: gaps shrink where a
        video is short, and a clip without object is drawn anew.
    """

    METAINFO = dict(name='vos_clips')

    def __init__(
        self,
        dataset: dict | VideoDataset,
        pipeline: Sequence = (),
        *,
        clip_pipeline: Sequence = (),
        num_frames: int = 5,
        max_gap: int = 12,
        reference: str = 'random',
        reverse_prob: float | int = 0.5,
        merge_prob: float | int = 0.3,
        min_pixels: int = 200,
        min_object_pixels: int = 100,
        max_objects: int = 10,
        regions: Mapping[str, Any] | None = None,
    ) -> None:
        check_choice('reference', reference, REFERENCES)
        self.first_mask_alone = reference == 'first' or regions is not None
        later = self.first_mask_alone and num_frames > 1
        if later and (reverse_prob or merge_prob):
            raise ValueError(
                "reference='first' and regions know the first mask alone, so "
                'clips can neither run backwards nor be merged; set '
                f'reverse_prob={reverse_prob} and merge_prob={merge_prob} to 0'
            )
        if min(num_frames, max_gap, max_objects) < 1:
            raise ValueError(
                'num_frames, max_gap and max_objects must be 1 or more, got '
                f'{num_frames}, {max_gap} and {max_objects}'
            )
        self.videos = (
            DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        )
        self.clip_transforms = build_transforms(clip_pipeline)
        self.num_frames = num_frames
        self.max_gap = max_gap
        self.reference = reference
        self.reverse_prob = reverse_prob
        self.merge_prob = merge_prob
        self.min_pixels = min_pixels
        self.min_object_pixels = min_object_pixels
        self.max_objects = max_objects
        self.regions = None if regions is None else dict(regions)
        super().__init__(
            serialize_data=False, pipeline=build_transforms(pipeline)
        )

    def load_data_list(self) -> list[dict]:
        """List the videos of the wrapped data set."""
        return self.videos.load_data_list()

    def prepare_data(self, idx: int) -> dict | None:
        """Draw, merge, number and pack one clip; None without objects."""
        clip = self.draw_clip(idx)
        empty = not _has_objects(clip['gt_seg_map'][0], 1)
        if self.merge_prob and (empty or np.random.rand() < self.merge_prob):
            clip = self._merge(clip, idx)
        clip['gt_seg_map'] = relabel_objects(
            clip['gt_seg_map'],
            max_objects=self.max_objects,
            min_pixels=self.min_object_pixels,
        )
        if not _has_objects(clip['gt_seg_map'][0], 1):
            return None
        return self.pipeline(clip)

    def _merge(self, clip: dict, idx: int) -> dict:
        if self.regions is None:
            other = np.random.randint(len(self))
            return merge_clips(clip, self.draw_clip(other))
        other = (idx + np.random.randint(1, max(len(self), 2))) % len(self)
        return merge_clips(self.draw_clip(other, bare=True), clip)

    def draw_clip(self, idx: int, *, bare: bool = False) -> dict:
        """Read one clip and change its geometry.

        Args:
            idx: Index of the video.
            bare: Without objects, whether there are some or not.
        """
        video = self.get_data_info(idx)
        for _ in range(_TRIES):
            ids = draw_frame_ids(
                video['video_length'],
                self.num_frames,
                max_gap=self.max_gap,
                reference=self.reference,
            )
            if np.random.rand() < self.reverse_prob:
                ids = ids[::-1]
            first = self._read_first_mask(video, ids, bare)
            if bare or _has_objects(first, self.min_pixels):
                break
        clip = self._read(video, ids, first)
        for transform in self.clip_transforms:
            clip = transform(clip)
        return clip

    def _read_first_mask(
        self, video: dict, ids: list[int], bare: bool
    ) -> np.ndarray:
        if self.regions is not None:
            frame = self.videos.read_frames(video, ids[:1])[0]
            if bare:
                return np.zeros(frame.shape[:2], np.uint8)
            image = torch.from_numpy(frame).movedim(2, 0)[None].float()
            return propose_regions(image, **self.regions)[0][0].byte().numpy()
        masks = self.videos.read_masks(video, ids[:1])
        if masks is None:
            raise ValueError(
                f'video {video["video_id"]} has no masks, and a clip begins '
                'with one: set masks_dir, or regions to go without'
            )
        return masks[0]

    def _read(self, video: dict, ids: list[int], first: np.ndarray) -> dict:
        """Read the frames, and the masks as far as they may be seen."""
        if self.first_mask_alone:
            frames = self.videos.read_frames(video, ids)
            void = np.full_like(first, VOID)
            masks = [first, *(void for _ in ids[1:])]
        else:
            frames, read = self.videos.read_clip(video, ids)
            assert read is not None
            masks = list(read)
        shape = frames[0].shape[:2]
        return dict(
            video_id=video['video_id'],
            frame_ids=ids,
            video_length=video['video_length'],
            ori_shape=shape,
            img_shape=shape,
            img=list(frames),
            gt_seg_map=masks,
            seg_fields=['gt_seg_map'],
        )


def _has_objects(mask: Integer[np.ndarray, 'H W'], min_pixels: int) -> bool:
    return int(((mask > 0) & (mask != VOID)).sum()) >= min_pixels
