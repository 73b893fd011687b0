"""Resize, crop and mirror clips, all frames alike.

Each transform keeps the record of :class:`slotkd.datasets.FrameGeometry` up
to date, so that masks find their way back to the frame on disk. A random
choice is drawn once per clip, from numpy's global generator, which mmengine
seeds in each worker.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Shaped
from mmcv.image import imresize
from mmcv.transforms import BaseTransform

from slotkd.datasets.geometry import FrameGeometry
from slotkd.registry import TRANSFORMS

INTERPOLATIONS = ('nearest', 'bilinear', 'bicubic', 'area', 'lanczos')


def resize_nearest(
    image: Shaped[np.ndarray, 'H W ...'], shape: tuple[int, int]
) -> Shaped[np.ndarray, 'new_H new_W ...']:
    """Resize by taking the pixel under each new pixel's centre.

    Args:
        image: Image or label map.
        shape: New height and width.

    Source:
        The rule of PyTorch's ``nearest-exact``.
    """
    rows, columns = (
        ((np.arange(new) + 0.5) * (old / new)).astype(np.intp)
        for new, old in zip(shape, image.shape[:2], strict=True)
    )
    return image[rows[:, None], columns]


def crop_frames(
    results: dict, box: tuple[int, int, int, int], geometry: FrameGeometry
) -> dict:
    """Cut one box out of every frame and mask of a clip.

    Args:
        results: The clip.
        box: Left, top, width and height in pixels of the image.
        geometry: The record before cropping.

    Returns:
        The clip after cropping.

    Raises:
        ValueError: If the masks have another size than the image.
    """
    x, y, w, h = box
    shape = results['img'][0].shape[:2]
    for mask in results.get('gt_seg_map', ())[:1]:
        if mask.shape[:2] != shape:
            raise ValueError(
                f'video {results.get("video_id", "")}: masks of '
                f'{mask.shape[0]}x{mask.shape[1]} cannot be cropped with '
                f'frames of {shape[0]}x{shape[1]}; resize them too '
                '(with_masks=True)'
            )
    results = _map_frames(
        results,
        lambda image: image[y : y + h, x : x + w],
        lambda mask: mask[y : y + h, x : x + w],
    )
    return _record(results, geometry.crop(box, shape))


@TRANSFORMS.register_module()
class ResizeVideo(BaseTransform):
    """Resize all frames of a clip; masks by nearest pixel.

    Nothing is smoothed before shrinking; 8-bit values saturate at 0 and 255.

    Args:
        size: Side of the square result, or height and width; the aspect
            ratio may change.
        short_side: Instead of ``size``: length of the short side; the long
            one follows the aspect ratio, rounded down.
        interpolation: Of the images: nearest, bilinear, bicubic, area or
            lanczos.
        with_masks: False leaves the masks as they are on disk. Predictions
            are then brought to their size, which scores whole frames at the
            original resolution; cropping is not possible afterwards.

    Source:
        Bicubic without antialias: the published pipelines of
        martius-lab/slotcontrast@17b42b05.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        *,
        short_side: int | None = None,
        interpolation: str = 'bicubic',
        with_masks: bool = True,
    ) -> None:
        if (size is None) == (short_side is None):
            raise ValueError(
                'ResizeVideo takes either size or short_side, got size='
                f'{size} and short_side={short_side}'
            )
        if interpolation not in INTERPOLATIONS:
            raise ValueError(
                f'interpolation={interpolation!r} is none of '
                f'{", ".join(INTERPOLATIONS)}'
            )
        if short_side is not None and short_side < 1:
            raise ValueError(f'short_side={short_side} is below 1')
        self.size = None if size is None else _square(size)
        self.short_side = short_side
        self.interpolation = interpolation
        self.with_masks = with_masks

    def transform(self, results: dict) -> dict:
        """Resize one clip."""
        height, width = results['img'][0].shape[:2]
        shape = self.size
        if shape is None:
            short = min(height, width)
            shape = (
                height * self.short_side // short,
                width * self.short_side // short,
            )
        new_height, new_width = shape
        results = _map_frames(
            results,
            lambda image: imresize(
                image,
                (new_width, new_height),
                interpolation=self.interpolation,
            ),
            lambda mask: (
                resize_nearest(mask, shape) if self.with_masks else mask
            ),
        )
        return _record(
            results, FrameGeometry.from_results(results).resize(shape)
        )


@TRANSFORMS.register_module()
class RandomCropVideo(BaseTransform):
    """Cut the same random box out of all frames of a clip.

    Args:
        size: Side of the square, or height and width.

    Source:
        The published YTVIS pipeline of martius-lab/slotcontrast@17b42b05.
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = _square(size)

    def draw_corner(self, room_x: int, room_y: int) -> tuple[int, int]:
        """Draw left and top, each from 0 to its room."""
        return np.random.randint(room_x + 1), np.random.randint(room_y + 1)

    def transform(self, results: dict) -> dict:
        """Crop one clip.

        Raises:
            ValueError: If the frames are smaller than the crop.
        """
        room_x, room_y = _room(results, self.size, 'RandomCropVideo')
        left, top = self.draw_corner(room_x, room_y)
        height, width = self.size
        return crop_frames(
            results,
            (left, top, width, height),
            FrameGeometry.from_results(results),
        )


@TRANSFORMS.register_module()
class CenterCropVideo(BaseTransform):
    """Cut the central box out of all frames of a clip.

    Args:
        size: Side of the square, or height and width; None takes the
            largest square.

    Source:
        The published YTVIS pipeline of martius-lab/slotcontrast@17b42b05.
    """

    def __init__(self, size: int | Sequence[int] | None = None) -> None:
        self.size = None if size is None else _square(size)

    def transform(self, results: dict) -> dict:
        """Crop one clip.

        Raises:
            ValueError: If the frames are smaller than the crop.
        """
        short = min(results['img'][0].shape[:2])
        height, width = self.size or (short, short)
        room_x, room_y = _room(results, (height, width), 'CenterCropVideo')
        return crop_frames(
            results,
            (room_x // 2, room_y // 2, width, height),
            FrameGeometry.from_results(results),
        )


@TRANSFORMS.register_module()
class RandomFlipVideo(BaseTransform):
    """Mirror all frames of a clip left to right, or none.

    Args:
        prob: Share of the clips that are mirrored.

    Source:
        The published MOVi pipeline of martius-lab/slotcontrast@17b42b05.
    """

    def __init__(self, prob: float | int = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must lie in [0, 1], got {prob}')
        self.prob = prob

    def draw_flip(self) -> bool:
        """Draw whether to mirror."""
        return bool(np.random.rand() < self.prob)

    def transform(self, results: dict) -> dict:
        """Mirror one clip, or return it as it is."""
        geometry = FrameGeometry.from_results(results)
        if not self.draw_flip():
            return _record(results, geometry)
        results = _map_frames(
            results, lambda image: image[:, ::-1], lambda mask: mask[:, ::-1]
        )
        return _record(results, geometry.mirror())


def _map_frames(
    results: dict,
    image_step: Callable[[np.ndarray], np.ndarray],
    mask_step: Callable[[np.ndarray], np.ndarray],
) -> dict:
    """Apply a step to each frame and mask, leaving the input untouched."""
    results = dict(results)
    for key, step in (('img', image_step), ('gt_seg_map', mask_step)):
        if key in results:
            results[key] = [
                np.ascontiguousarray(step(frame)) for frame in results[key]
            ]
    return results


def _record(results: dict, geometry: FrameGeometry) -> dict:
    """Write the geometry and the shape of the image into the results."""
    shape = results['img'][0].shape[:2]
    return results | geometry.as_results() | dict(img_shape=shape)


def _room(results: dict, size: tuple[int, int], name: str) -> tuple[int, int]:
    """Return how far a box of this size can move to the right and down."""
    height, width = results['img'][0].shape[:2]
    if height < size[0] or width < size[1]:
        raise ValueError(
            f'{name}: video {results.get("video_id", "")} has frames of '
            f'{height}x{width}, smaller than the crop {size[0]}x{size[1]}'
        )
    return width - size[1], height - size[0]


def _square(size: int | Sequence[int]) -> tuple[int, int]:
    """Read a side, or height and width."""
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(
            f'size must be a side or height and width in pixels, got {size}'
        )
    return pair
