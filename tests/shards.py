"""Shards of videos, written by the tests themselves."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def npy(array: np.ndarray) -> bytes:
    """Return the bytes of an ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write_tar(
    path: Path, members: Iterable[tuple[str, bytes]], **options
) -> Path:
    """Write an archive.

    Args:
        path: Its place.
        members: Name and content.
        options: Of :func:`tarfile.open`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, 'w', **options) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def movi_video(index: int, length=6, height=8, width=10) -> dict:
    """Return a video and its labels in the shapes of MOVi."""
    rng = np.random.default_rng(index)
    return dict(
        video=rng.integers(0, 256, (length, height, width, 3), np.uint8),
        segmentations=rng.integers(0, 4, (length, height, width, 1), np.uint8),
    )


def members_of(key: str, video: dict) -> list[tuple[str, bytes]]:
    """Return the members of one video, ordered as WebDataset orders them."""
    return [
        (f'{key}.{field}.npy', npy(video[field])) for field in sorted(video)
    ]


def write_movi(
    folder: Path, shards=2, videos=3, name='movi_c-train-{:06d}.tar', **sizes
) -> dict[str, dict]:
    """Write shards of MOVi and return the videos by key."""
    written = {}
    for shard in range(shards):
        keys = range(shard * videos, (shard + 1) * videos)
        part = {str(key): movi_video(key, **sizes) for key in keys}
        members = [m for key in part for m in members_of(key, part[key])]
        write_tar(folder / name.format(shard), members)
        written |= part
    return written
