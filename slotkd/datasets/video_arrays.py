"""Videos as numpy files: ``.npz`` archives or memory-mapped ``.npy``."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Integer, UInt8

from slotkd.datasets.array_headers import (
    ArrayHeader,
    check_masks,
    check_video,
    read_header,
)
from slotkd.datasets.frame_files import natural_key
from slotkd.datasets.video_dataset import VideoDataset
from slotkd.datasets.video_folders import read_split
from slotkd.datasets.video_problems import MissingVideoError, describe_each
from slotkd.registry import DATASETS

_UNREADABLE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error)


@DATASETS.register_module()
class VideoArrayDataset(VideoDataset):
    """Videos stored as arrays, one video per file.

    ``.npz`` files hold ``video`` (T, H, W, 3), 8-bit RGB, and perhaps
    ``segmentations`` (T, H, W) or (T, H, W, 1), integers, 0 = background.
    A ``.npy`` file, ``<name>.npy`` or ``<name>.video.npy``, holds the video;
    its segmentations lie beside it in ``<name>.segmentations.npy``. From
    ``.npy`` files only the clip is read; of an ``.npz`` the whole array is
    unpacked.

    Args:
        data_root: The folder that holds the files.
        pipeline: Transforms.
        files: Patterns of file names below ``data_root``, such as
            ``train_*.npz``.
        split: Text file below ``data_root`` with one video name per line
            (file name without suffixes), to choose among ``files``.
        with_masks: Whether to read segmentations; a file without them is
            then an error.
        video_key: Name of the video inside ``.npz`` files.
        masks_key: Name of the segmentations, also in ``.npy`` file names.
        clip_len: See :class:`VideoDataset`, as are the following.
        frame_stride: Step between frames.
        clip_mode: How clips are chosen.
        skip_short: Leave out videos that are too short.

    Raises:
        ValueError: If no file matches, a file is broken, or an array has
            the wrong type or shape.

    Source:
        Keys and shapes of Greff et al., Kubric, CVPR 2022, and of
        martius-lab/slotcontrast@17b42b05.
    """

    METAINFO = dict(name='video_arrays')

    def __init__(
        self,
        data_root: str | Path,
        pipeline: Sequence = (),
        *,
        files: str | Sequence[str] = '*.npz',
        split: str | None = None,
        with_masks: bool = True,
        video_key: str = 'video',
        masks_key: str = 'segmentations',
        clip_len: int | None = None,
        frame_stride: int = 1,
        clip_mode: str = 'blocks',
        skip_short: bool = False,
    ) -> None:
        self.root = Path(data_root)
        self.patterns = [files] if isinstance(files, str) else list(files)
        self.split = None if split is None else self.root / split
        self.with_masks = with_masks
        self.video_key = video_key
        self.masks_key = masks_key
        super().__init__(
            pipeline,
            clip_len=clip_len,
            frame_stride=frame_stride,
            clip_mode=clip_mode,
            skip_short=skip_short,
        )

    def list_videos(self) -> list[dict]:
        """List the files and check the shapes they announce."""
        found = self._find_files()
        names = found if self.split is None else read_split(self.split)
        return describe_each(
            names, lambda name: self._describe(name, found.get(name))
        )

    def read_frames(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[UInt8[np.ndarray, 'H W 3']]:
        """Read the frames of a clip."""
        return _read(Path(video['path']), self.video_key, frame_ids)

    def read_masks(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[Integer[np.ndarray, 'H W']] | None:
        """Read the masks of a clip."""
        if not self.with_masks:
            return None
        masks = _read(self._masks_path(video), self.masks_key, frame_ids)
        return [mask.reshape(mask.shape[:2]) for mask in masks]

    def _find_files(self) -> dict[str, Path]:
        """Return the video files by name."""
        if not self.root.is_dir():
            raise ValueError(f'folder of arrays {self.root} not found')
        masks_ending = f'.{self.masks_key}.npy'
        paths = {
            path
            for pattern in self.patterns
            for path in self.root.glob(pattern)
            if not path.name.endswith(masks_ending)
        }
        if not paths:
            raise ValueError(
                f'no file in {self.root} matches {", ".join(self.patterns)}'
            )
        ending = f'.{self.video_key}'
        named: dict[str, Path] = {}
        for path in sorted(paths, key=natural_key):
            name = path.stem.removesuffix(ending)
            if named.setdefault(name, path) != path:
                raise ValueError(
                    f'files {named[name]} and {path} are both video {name}'
                )
        return named

    def _masks_path(self, video: dict) -> Path:
        path = Path(video['path'])
        if path.suffix == '.npz':
            return path
        return path.with_name(f'{video["video_id"]}.{self.masks_key}.npy')

    def _describe(self, name: str, path: Path | None) -> dict:
        """Check what the headers of one video say."""
        if path is None:
            raise MissingVideoError(
                f'{self.split} names video {name}, which is not among '
                f'{", ".join(self.patterns)} in {self.root}'
            )
        header = _header(path, self.video_key)
        check_video(header, f'{path}: {self.video_key}')
        video = dict(
            video_id=name,
            path=str(path),
            video_length=header.shape[0],
            ori_shape=header.shape[1:3],
        )
        if self.with_masks:
            masks_path = self._masks_path(video)
            check_masks(
                _header(masks_path, self.masks_key),
                f'{masks_path}: {self.masks_key}',
                header,
                self.video_key,
            )
        return video


def _header(path: Path, key: str) -> ArrayHeader:
    """Read shape and type of an array without the array."""
    try:
        if path.suffix != '.npz':
            array = np.load(path, mmap_mode='r', allow_pickle=False)
            return ArrayHeader(shape=array.shape, dtype=array.dtype)
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if f'{key}.npy' in members:
                with archive.open(f'{key}.npy') as file:
                    return read_header(file)
    except _UNREADABLE as error:
        raise ValueError(f'{path} is no readable array: {error}') from error
    names = ', '.join(name.removesuffix('.npy') for name in members)
    raise ValueError(f'{path} holds no {key}, only {names or "nothing"}')


def _read(path: Path, key: str, frame_ids: Sequence[int]) -> list[np.ndarray]:
    """Read some frames of an array."""
    try:
        if path.suffix == '.npz':
            with np.load(path, allow_pickle=False) as archive:
                array = archive[key]
        else:
            array = np.load(path, mmap_mode='r', allow_pickle=False)
        return [np.array(array[index]) for index in frame_ids]
    except _UNREADABLE as error:
        raise ValueError(f'{path} is no readable array: {error}') from error
