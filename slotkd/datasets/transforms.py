"""Transforms of clips: every frame of a clip gets the same treatment.

A clip's ``img`` is a list of T images (H, W, 3) in RGB and ``gt_seg_map`` a
list of T label maps (H, W). mmcv's and mmseg's image transforms work on the
same lists inside ``TransformBroadcaster(share_random_params=True)``, with two
limits. Frames share a draw only where it is marked ``cache_randomness``, as
in ``RandomFlip``, ``RandomResize`` and mmseg's ``RandomCrop``;
``mmseg.PhotoMetricDistortion`` is not. And what they do to the geometry is
not recorded: masks cannot be brought back to the frame on disk after them.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from einops import rearrange
from mmcv.transforms import BaseTransform

from slotkd.datasets.geometry import FrameGeometry
from slotkd.registry import TRANSFORMS
from slotkd.structures import VideoDataSample

META_KEYS = (
    'video_id',
    'frame_ids',
    'video_length',
    'ori_shape',
    'img_shape',
    'resized_shape',
    'crop_box',
    'flip',
    'object_categories',
    'object_labels',
    'object_frames',
    'annotated_frames',
)


def build_transforms(pipeline: Sequence[dict | Callable]) -> list[Callable]:
    """Build transforms by their names in the default scope, else slotkd's.

    Args:
        pipeline: Configs or ready callables.

    Returns:
        Callables from results to results.
    """
    return [
        step if callable(step) else TRANSFORMS.build(step) for step in pipeline
    ]


def stack_frames(frames: Sequence[np.ndarray], name: str) -> np.ndarray:
    """Stack the frames of a clip.

    Args:
        frames: Arrays of one shape.
        name: What they are, for the error.

    Returns:
        The frames along a new first axis.

    Raises:
        ValueError: If there is no frame or the shapes differ.
    """
    shapes = list(dict.fromkeys(frame.shape for frame in frames))
    if len(shapes) != 1:
        raise ValueError(
            f'{name}: frames of one clip need one shape, got '
            f'{" and ".join(map(str, shapes[:2])) or "no frame"}'
        )
    return np.stack(frames)


@TRANSFORMS.register_module()
class PackVideoInputs(BaseTransform):
    """Turn a clip into ``inputs`` (T, 3, H, W) and a ``VideoDataSample``.

    The numbers stay as they are; ``gt_seg_map``, where there is one, becomes
    ``gt_masks`` of 64-bit integers. Of whole frames the masks may also have
    the size on disk (``ResizeVideo(with_masks=False)``).

    Args:
        meta_keys: Entries of the results kept as metainfo if present.

    Source:
        Own design, in the shape of ``mmseg.PackSegInputs``.
    """

    def __init__(self, meta_keys: Sequence[str] = META_KEYS) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack one clip.

        Args:
            results: ``img``, perhaps ``gt_seg_map``, and the metainfo.

        Returns:
            ``inputs`` and ``data_samples``.

        Raises:
            ValueError: If frames differ in shape or masks do not fit them.
        """
        video_id = results.get('video_id', '')
        frames = stack_frames(results['img'], f'video {video_id}')
        if frames.ndim != 4 or frames.shape[-1] != 3:
            raise ValueError(
                f'video {video_id}: frames must be (H, W, 3), got '
                f'{frames.shape[1:]}'
            )
        meta = {k: results[k] for k in self.meta_keys if k in results}
        meta['img_shape'] = frames.shape[1:3]
        sample = VideoDataSample(metainfo=meta)
        if 'gt_seg_map' in results:
            masks = stack_frames(results['gt_seg_map'], f'masks of {video_id}')
            if masks.shape not in _mask_shapes(results, frames.shape[:3]):
                raise ValueError(
                    f'video {video_id}: masks {masks.shape} do not fit '
                    f'frames {frames.shape[:3]}'
                )
            sample.gt_masks = torch.from_numpy(masks.astype(np.int64))
        inputs = np.ascontiguousarray(rearrange(frames, 't h w c -> t c h w'))
        return dict(inputs=torch.from_numpy(inputs), data_samples=sample)


def _mask_shapes(
    results: dict, frames: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """Return the shapes masks may have: the frames', or as on disk."""
    if 'ori_shape' in results:
        geometry = FrameGeometry.from_results(results)
        if geometry.is_whole:
            return [frames, (frames[0], *geometry.ori_shape)]
    return [frames]
