"""Read what a user names: a video file, a folder, an image or an array."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from slotkd.datasets import (
    iterate_video,
    list_images,
    read_frame,
    video_rate,
)
from slotkd.datasets.frame_files import IMAGE_SUFFIXES
from slotkd.datasets.video_files import VIDEO_SUFFIXES

Frame = UInt8[np.ndarray, 'H W 3']


@dataclass(frozen=True, kw_only=True)
class FrameSource:
    """A video that is read frame by frame.

    Args:
        name: Name of the video.
        kind: ``'video'``, ``'frames'``, ``'image'`` or ``'array'``.
        path: Where it lies; None for arrays.
        rate: Frames per second, where the file says.
        length: Number of frames, where it is known beforehand.
        open: Begins to read; yields the name and the pixels of each frame.
    """

    name: str
    kind: str
    path: str | None
    rate: Fraction | None
    length: int | None
    open: Callable[[], Iterator[tuple[str, Frame]]]

    def chunks(
        self, size: int
    ) -> Iterator[tuple[list[str], UInt8[np.ndarray, 'T H W 3']]]:
        """Yield names and frames, so many at once.

        Raises:
            ValueError: If a frame cannot be read or differs in size from
                the first; names it.
        """
        names: list[str] = []
        frames: list[Frame] = []
        shape = None
        for name, frame in self.open():
            shape = shape or frame.shape[:2]
            if frame.shape[:2] != shape:
                raise ValueError(
                    f'{self.path or self.name}: frame {name} is '
                    f'{frame.shape[0]}x{frame.shape[1]}, but the first frame '
                    f'is {shape[0]}x{shape[1]}'
                )
            names.append(name)
            frames.append(frame)
            if len(frames) == size:
                yield names, np.stack(frames)
                names, frames = [], []
        if frames:
            yield names, np.stack(frames)


def open_source(inputs: str | Path | np.ndarray) -> FrameSource:
    """Find out what an input is; nothing but headers is read yet.

    Args:
        inputs: Path of a video file, of a folder of frames (images in it,
            numbers in counting order) or of an image; or 8-bit RGB frames
            (T, H, W, 3) or one (H, W, 3). Frames of folders and images are
            named by their files without suffix, others ``00000``, ``00001``
            and so on.

    Raises:
        ValueError: If it is nothing of these, empty, or two images differ
            only in their suffix.
    """
    if isinstance(inputs, np.ndarray):
        return _array(inputs)
    path = Path(inputs).expanduser()
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise ValueError(f'input {path} does not exist')
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _images(path, [path], 'image', path.stem)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return FrameSource(
            name=path.stem,
            kind='video',
            path=str(path),
            rate=video_rate(path),
            length=None,
            open=lambda: _numbered(iterate_video(path)),
        )
    raise ValueError(
        f'input {path} is neither a folder, nor a video '
        f'({" ".join(VIDEO_SUFFIXES)}), nor an image '
        f'({" ".join(IMAGE_SUFFIXES)})'
    )


def _array(video: np.ndarray) -> FrameSource:
    frames = video[None] if video.ndim == 3 else video
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise ValueError(
            'an input array needs 8-bit RGB frames (T, H, W, 3), got '
            f'{video.dtype} of shape {video.shape}'
        )
    if 0 in frames.shape:
        raise ValueError(f'an input array of shape {video.shape} is empty')
    return FrameSource(
        name='array',
        kind='array',
        path=None,
        rate=None,
        length=len(frames),
        open=lambda: _numbered(iter(frames)),
    )


def _folder(path: Path) -> FrameSource:
    images = list_images(path)
    if not images:
        raise ValueError(f'folder {path} holds no image')
    by_stem: dict[str, Path] = {}
    for image in images:
        other = by_stem.setdefault(image.stem, image)
        if other is not image:
            raise ValueError(
                f'{other} and {image.name} would have one name: frames of a '
                'folder must differ in more than their suffix'
            )
    return _images(path, images, 'frames', path.resolve().name)


def _images(
    path: Path, images: list[Path], kind: str, name: str
) -> FrameSource:
    return FrameSource(
        name=name,
        kind=kind,
        path=str(path),
        rate=None,
        length=len(images),
        open=lambda: ((image.stem, read_frame(image)) for image in images),
    )


def _numbered(frames: Iterator[Frame]) -> Iterator[tuple[str, Frame]]:
    for index, frame in enumerate(frames):
        yield f'{index:05d}', frame
