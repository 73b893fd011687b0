"""Paste a track into a clip, the same way in every frame."""

import math
from dataclasses import dataclass

import mmcv.image
import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8
from scipy.ndimage import gaussian_filter

PLACES_TRIED = 10
BLUR_REACH = 4.0  # deviations


@dataclass(frozen=True, kw_only=True)
class PasteOptions:
    """How a pasted track may look.

    Args:
        flip: Probability of a horizontal flip.
        scale: Range of the scale, drawn evenly in its logarithm, beside the
            ratio of the two frames' short sides.
        box_area: Range of the area of the track's largest box, as a share of
            the target frame; the scale gives way.
        min_inside: Share of the track's pixels that must lie in the frame.
        jitter: Largest change of brightness, as a share of white, and of
            contrast.
        blur: Blur of the border in pixels at a short side of 360.
        min_visible: An object of which less is left in a frame, as a share
            of what it had, counts as absent there.
        min_pixels: Likewise in pixels, also for the pasted track.
    """

    flip: float | int = 0.5
    scale: tuple[float | int, float | int] = (0.5, 1.5)
    box_area: tuple[float | int, float | int] = (0.02, 0.4)
    min_inside: float | int = 0.5
    jitter: float | int = 0.1
    blur: float | int = 1.0
    min_visible: float | int = 0.1
    min_pixels: int = 32


def ping_pong(index: Integer[np.ndarray, ' T'], length: int) -> np.ndarray:
    """Reflect frame numbers at both ends of a video.

    Args:
        index: Frame numbers from 0, beyond the end too.
        length: Frames of the video.
    """
    if length == 1:
        return np.zeros_like(index)
    phase = index % (2 * length - 2)
    return np.minimum(phase, 2 * length - 2 - phase)


def border_share(masks: Bool[np.ndarray, 'T H W']) -> float:
    """Return the share of the frame's rim that masks cover, at most.

    Of a track that covers much of it, much lies outside the frame.
    """
    rim = np.ones(masks.shape[1:], dtype=bool)
    rim[1:-1, 1:-1] = False
    return float(masks[:, rim].mean(axis=1).max())


def place_track(
    rng: np.random.Generator,
    frames: UInt8[np.ndarray, 'T h w 3'],
    masks: Bool[np.ndarray, 'T h w'],
    size: tuple[int, int],
    options: PasteOptions,
) -> tuple[UInt8[np.ndarray, 'T H W 3'], Bool[np.ndarray, 'T H W']] | None:
    """Draw one geometry and colour for a track and bring it to a frame size.

    Args:
        rng: Source of every random choice.
        frames: Frames that the track is cut from.
        masks: The track in each; absent ones are empty.
        size: Height and width of the target frames.
        options: What may be drawn.

    Returns:
        Pixels, continued a little beyond the track's box for soft borders
        and black farther away, and masks in the target; None where no place
        was found or the track is nowhere.
    """
    if not masks.any():
        return None
    ratio = min(size) / min(masks.shape[1:])
    rows, columns = _window(masks)
    frames, masks = frames[:, rows, columns], masks[:, rows, columns]
    if rng.random() < options.flip:
        frames, masks = frames[:, :, ::-1], masks[:, :, ::-1]
    low, high = np.log(options.scale)
    scale = ratio * np.exp(rng.uniform(low, high))
    scale = _fitting(scale, masks, size, options)
    frames, masks = _resized(frames, masks, scale)
    frames = _jittered(rng, frames, options.jitter)
    for _ in range(PLACES_TRIED):
        corner = _corner(rng, masks, size)
        placed = shifted(masks, corner, size)
        if placed.sum() >= max(options.min_inside * masks.sum(), 1):
            return _spread(frames, corner, size, options), placed
    return None


def _spread(
    frames: UInt8[np.ndarray, 'T h w 3'],
    corner: tuple[int, int],
    size: tuple[int, int],
    options: PasteOptions,
) -> UInt8[np.ndarray, 'T H W 3']:
    """Put frames into larger ones, their rim as wide as a blurred border."""
    rim = math.ceil(BLUR_REACH * border_deviation(size, options))
    wide = np.pad(frames, ((0, 0), (rim, rim), (rim, rim), (0, 0)), 'edge')
    return shifted(wide, (corner[0] - rim, corner[1] - rim), size)


def border_deviation(size: tuple[int, int], options: PasteOptions) -> float:
    """Return the blur of a border in pixels of frames of a size."""
    return options.blur * min(size) / 360


def shifted(
    images: UInt8[np.ndarray, 'T h w *C'] | Bool[np.ndarray, 'T h w'],
    corner: tuple[int, int],
    size: tuple[int, int],
) -> np.ndarray:
    """Put images into larger or smaller ones of zeros.

    Args:
        images: Images.
        corner: Row and column of their corner in the result; may lie
            outside.
        size: Height and width of the result.
    """
    result = np.zeros((len(images), *size, *images.shape[3:]), images.dtype)
    inner, outer = [], []
    for start, length, limit in zip(
        corner, images.shape[1:3], size, strict=True
    ):
        first, last = max(start, 0), min(start + length, limit)
        if first >= last:
            return result
        outer.append(slice(first, last))
        inner.append(slice(first - start, last - start))
    result[:, outer[0], outer[1]] = images[:, inner[0], inner[1]]
    return result


def blend(
    frame: UInt8[np.ndarray, 'H W 3'],
    pixels: UInt8[np.ndarray, 'H W 3'],
    mask: Bool[np.ndarray, 'H W'],
    blur: float | int,
) -> UInt8[np.ndarray, 'H W 3']:
    """Put pixels over a frame with a soft border.

    Args:
        frame: The frame; not changed.
        pixels: What is put over it.
        mask: Where.
        blur: Standard deviation of the border in pixels.
    """
    cover = mask.astype(np.float32)
    alpha = gaussian_filter(cover, blur, truncate=BLUR_REACH)[..., None]
    mixed = alpha * pixels + (1 - alpha) * frame
    return np.rint(mixed).astype(np.uint8)


def occluded(
    masks: Bool[np.ndarray, 'O H W'],
    front: Bool[np.ndarray, 'H W'],
    options: PasteOptions,
) -> tuple[Bool[np.ndarray, 'O H W'], Bool[np.ndarray, ' O']]:
    """Take the pixels of an object in front from those behind it.

    Args:
        masks: Objects behind; not changed.
        front: The object in front.
        options: ``min_visible`` and ``min_pixels``.

    Returns:
        What is left, and which objects still count as present. An object
        that lost nothing always does.
    """
    left = masks & ~front
    before, after = masks.sum(axis=(1, 2)), left.sum(axis=(1, 2))
    seen = after >= np.maximum(
        options.min_visible * before, options.min_pixels
    )
    return left, seen | (after == before)


def boxes_of(masks: Bool[np.ndarray, 'O H W']) -> Float[np.ndarray, 'O 4']:
    """Return left, top, right and bottom, the last two exclusive."""
    boxes = np.zeros((len(masks), 4), dtype=np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows = np.flatnonzero(mask.any(axis=1))
        columns = np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def _window(masks: Bool[np.ndarray, 'T h w']) -> tuple[slice, slice]:
    """Return rows and columns of the box around all masks."""
    union = np.logical_or.reduce(masks, axis=0)
    left, top, right, bottom = boxes_of(union[None])[0].astype(int)
    return slice(top, bottom), slice(left, right)


def _fitting(
    scale: float,
    masks: Bool[np.ndarray, 'T h w'],
    size: tuple[int, int],
    options: PasteOptions,
) -> float:
    """Return the scale at which the largest box has an allowed area."""
    left, top, right, bottom = boxes_of(masks).T
    area = ((right - left) * (bottom - top)).max() / np.prod(size)
    low, high = options.box_area
    return float(np.clip(scale, np.sqrt(low / area), np.sqrt(high / area)))


def _resized(
    frames: UInt8[np.ndarray, 'T h w 3'],
    masks: Bool[np.ndarray, 'T h w'],
    scale: float,
) -> tuple[UInt8[np.ndarray, 'T H W 3'], Bool[np.ndarray, 'T H W']]:
    height, width = masks.shape[1:]
    target = max(round(width * scale), 1), max(round(height * scale), 1)
    images = [
        mmcv.image.imresize(np.ascontiguousarray(frame), target)
        for frame in frames
    ]
    shares = [
        mmcv.image.imresize(mask.astype(np.float32), target) for mask in masks
    ]
    return np.stack(images), np.stack(shares) >= 0.5


def _jittered(
    rng: np.random.Generator,
    frames: UInt8[np.ndarray, 'T h w 3'],
    jitter: float | int,
) -> UInt8[np.ndarray, 'T h w 3']:
    brightness, contrast = rng.uniform(-jitter, jitter, 2)
    grey = frames.mean()
    changed = grey + (1 + contrast) * (frames - grey) + 255 * brightness
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def _corner(
    rng: np.random.Generator,
    masks: Bool[np.ndarray, 'T h w'],
    size: tuple[int, int],
) -> tuple[int, int]:
    """Draw the place of the first mask's box evenly over the frame."""
    first = masks[masks.any(axis=(1, 2)).argmax()]
    left, top, right, bottom = boxes_of(first[None])[0]
    row, column = rng.uniform(0, size)
    return round(row - (top + bottom) / 2), round(column - (left + right) / 2)
