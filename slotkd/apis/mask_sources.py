"""Where the masks come from that a propagation begins with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from slotkd.datasets import list_images, read_mask

Frame = UInt8[np.ndarray, 'H W 3']
Mask = UInt8[np.ndarray, 'H W']


@dataclass(frozen=True, kw_only=True)
class MaskSource:
    """Masks of some frames of a video.

    Args:
        origin: What the masks are, for summaries.
        files: Mask file of each frame that has one, by the frame's name.
        first: Gives the mask of the first frame, from the frame.
    """

    origin: str
    files: dict[str, Path]
    first: Callable[[Frame], Mask] | None = None

    def at(self, index: int, name: str, frame: Frame) -> Mask | None:
        """Return the mask of a frame, None where it has none.

        Args:
            index: Number of the frame, from 0.
            name: Its name.
            frame: The frame itself.

        Raises:
            ValueError: If the mask cannot be read, or has another size than
                the frame; names the file.
        """
        if name in self.files:
            where, mask = str(self.files[name]), read_mask(self.files[name])
        elif index == 0 and self.first is not None:
            where, mask = self.origin, self.first(frame)
        else:
            return None
        if mask.shape != frame.shape[:2]:
            raise ValueError(
                f'mask {where} is {mask.shape[0]}x{mask.shape[1]}, but frame '
                f'{name} is {frame.shape[0]}x{frame.shape[1]}'
            )
        return mask


def open_masks(
    masks: str | Path | np.ndarray | Callable[[Frame], Mask],
) -> MaskSource:
    """Find out what masks are; none is read yet.

    Args:
        masks: An image of labels, for the first frame; a folder of such
            images named as the frames they belong to (an object begins at
            the first that shows it); an array of labels for the first frame;
            or a function from the first frame to such an array.

    Raises:
        ValueError: If it is nothing of these, the folder holds no image, or
            an array has labels outside 0 to 255.
    """
    if isinstance(masks, np.ndarray):
        return MaskSource(
            origin='array', files={}, first=_constant(_as_labels(masks))
        )
    if callable(masks):
        return MaskSource(origin='proposals', files={}, first=masks)
    path = Path(masks).expanduser()
    if path.is_dir():
        files = {image.stem: image for image in list_images(path)}
        if not files:
            raise ValueError(f'folder {path} holds no mask')
        return MaskSource(origin=str(path), files=files)
    if not path.is_file():
        raise ValueError(f'masks {path} does not exist')
    mask = read_mask(path)
    return MaskSource(origin=str(path), files={}, first=_constant(mask))


def _constant(mask: Mask) -> Callable[[Frame], Mask]:
    return lambda frame: mask


def _as_labels(masks: np.ndarray) -> Mask:
    if masks.ndim != 2 or masks.dtype.kind not in 'iu':
        raise ValueError(
            'an array of masks needs integer labels (H, W), got '
            f'{masks.dtype} of shape {masks.shape}'
        )
    if masks.size and not 0 <= masks.min() <= masks.max() <= 255:
        raise ValueError(
            f'labels must be 0 to 255, got {masks.min()} to {masks.max()}'
        )
    return masks.astype(np.uint8)
