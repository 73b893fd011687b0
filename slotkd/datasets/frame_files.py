"""Read frames and label masks from image files; one error for a bad file."""

import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from slotkd.ops.instance_labels import VOID

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
MASK_MODES = ('P', 'L', 'LA', '1', 'I', 'I;16', 'I;16L', 'I;16B')
_DEEP_MODES = ('F', 'I', 'I;16', 'I;16L', 'I;16B')


@dataclass(frozen=True)
class EncodedImage:
    """An image file that lies inside another file.

    Args:
        data: Its bytes.
        name: Where they come from, for errors.
    """

    data: bytes
    name: str

    def __str__(self) -> str:
        return self.name


def natural_key(path: Path) -> list:
    """Sort ``img_2`` before ``img_10``."""
    parts = re.split(r'(\d+)', path.name)
    return [int(part) if part.isdigit() else part for part in parts]


def list_images(folder: Path) -> list[Path]:
    """List the images of a folder by name, numbers in counting order.

    Args:
        folder: A folder; what is inside its folders does not count.
    """
    return sorted(
        (
            path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES
            and not path.name.startswith('.')
        ),
        key=natural_key,
    )


def read_frame(path: Path | EncodedImage) -> UInt8[np.ndarray, 'H W 3']:
    """Read an image as 8-bit RGB; transparency is dropped.

    Args:
        path: JPEG, PNG or another format that Pillow knows.

    Raises:
        ValueError: If the file is missing, broken, cut short, or has more
            than 8 bits per channel.
    """
    image = _open(path, 'frame')
    if image.mode in _DEEP_MODES:
        raise ValueError(
            f'frame {path} has pixels of mode {image.mode}; frames need '
            '8 bits per channel'
        )
    return np.array(image.convert('RGB'))


def read_mask(path: Path | EncodedImage) -> UInt8[np.ndarray, 'H W']:
    """Read the label of each pixel, as stored.

    A palette is not looked up: the index is the label. Of grey with
    transparency the grey value is the label. Labels are never scaled.

    Args:
        path: Usually a palette PNG.

    Returns:
        Labels 0 to 254, and 255 for void.

    Raises:
        ValueError: If the file is missing, broken, cut short, holds colours
            in place of labels, or has more than 8 bits and a label of 255
            or above, which could be void as well as an object.
    """
    image = _open(path, 'mask')
    if image.mode not in MASK_MODES:
        raise ValueError(
            f'mask {path} has mode {image.mode}, which holds colours; labels '
            f'need a palette or grey image ({", ".join(MASK_MODES[:4])})'
        )
    if image.mode == 'LA':
        image = image.getchannel('L')
    labels = np.array(image)
    if image.mode[0] == 'I' and not 0 <= labels.min() <= labels.max() < VOID:
        raise ValueError(
            f'mask {path} has mode {image.mode} and labels {labels.min()} to '
            f'{labels.max()}; labels of more than 8 bits must lie in 0 to '
            f'{VOID - 1}'
        )
    return labels.astype(np.uint8)


def image_shape(path: Path | EncodedImage) -> tuple[int, int]:
    """Return height and width of an image from its header.

    Raises:
        ValueError: If the file is missing or no image.
    """
    try:
        with Image.open(_source(path)) as image:
            return image.height, image.width
    except FileNotFoundError:
        raise ValueError(f'image {path} does not exist') from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f'image {path} cannot be read: {error}') from error


def _open(path: Path | EncodedImage, kind: str) -> Image.Image:
    """Decode a file completely."""
    try:
        with Image.open(_source(path)) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise ValueError(f'{kind} {path} does not exist') from None
    except UnidentifiedImageError:
        raise ValueError(f'{kind} {path} is no image') from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f'{kind} {path} cannot be read: {error}') from error


def _source(path: Path | EncodedImage) -> Path | BytesIO:
    return BytesIO(path.data) if isinstance(path, EncodedImage) else path
