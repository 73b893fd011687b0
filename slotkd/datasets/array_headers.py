"""What the headers of stored videos and masks must say."""

from dataclasses import dataclass
from io import BufferedIOBase
from typing import IO

import numpy as np


@dataclass(frozen=True, kw_only=True)
class ArrayHeader:
    """Shape, type and order of an array that is not read yet."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool = False

    @property
    def num_bytes(self) -> int:
        """Bytes of the whole array."""
        count = 1
        for length in self.shape:
            count *= length
        return count * self.dtype.itemsize


def read_header(file: IO[bytes] | BufferedIOBase) -> ArrayHeader:
    """Read the header of an ``.npy`` file; the data follow.

    Raises:
        ValueError: If it is no such header.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        read = np.lib.format.read_array_header_1_0
    else:
        read = np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return ArrayHeader(shape=shape, dtype=dtype, fortran=fortran)


def check_video(header: ArrayHeader, name: str) -> None:
    """Check that an array is a video.

    Args:
        header: Of the array.
        name: File and field, for the error.

    Raises:
        ValueError: Unless it is uint8 (T, H, W, 3) with a frame at least.
    """
    shape, dtype = header.shape, header.dtype
    if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3:
        raise ValueError(
            f'{name} must be uint8 (T, H, W, 3), got {dtype} {shape}'
        )
    if not shape[0]:
        raise ValueError(f'{name} holds no frame')


def check_masks(
    header: ArrayHeader,
    name: str,
    video: ArrayHeader,
    video_name: str,
    *,
    with_channels: bool = False,
) -> None:
    """Check that an array holds the masks of a video.

    Args:
        header: Of the array.
        name: File and field, for the error.
        video: Header of the video.
        video_name: Its name, for the error.
        with_channels: Whether the last axis holds one mask per instance.

    Raises:
        ValueError: Unless it holds integers (T, H, W) or (T, H, W, 1), or
            (T, H, W, O) with channels.
    """
    if not np.issubdtype(header.dtype, np.integer):
        raise ValueError(f'{name} must be integers, got {header.dtype}')
    frames = video.shape[:3]
    if with_channels:
        fits = len(header.shape) == 4 and header.shape[:3] == frames
    else:
        fits = header.shape in (frames, (*frames, 1))
    if not fits:
        raise ValueError(
            f'{name} {header.shape} do not fit {video_name} {video.shape}'
        )
