"""Write videos into tar archives as SlotContrast lays them out."""

import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from slotkd.atomic_file import write_atomically
from slotkd.datasets.tar_shards import read_array_frames, scan_tar
from slotkd.ops.vis_annotations import errors_naming

_CHUNK = 1 << 22

Arrays = dict[str, Shaped[np.ndarray, '...']]


def write_shard(path: Path, videos: Iterable[tuple[str, Arrays]]) -> dict:
    """Write an archive, read it back, and give it its name.

    The same videos make the same bytes: members carry no time and no owner.
    Until all is checked the archive ends in ``.part``.

    Args:
        path: Its place; missing folders are made.
        videos: Key of each video, and its ``video`` (T, H, W, 3) and perhaps
            ``segmentations`` (T, H, W, C), of 8 bits; other arrays of T
            frames may go with them.

    Returns:
        ``videos`` (key to frames, height and width), ``bytes`` and
        ``sha256``.

    Raises:
        ValueError: If a key holds a dot or a slash, or what is read back is
            not what was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    sums: dict[str, dict[str, int]] = {}
    sizes: dict[str, list[int]] = {}
    try:
        with tarfile.open(part, 'w', format=tarfile.PAX_FORMAT) as tar:
            for key, arrays in videos:
                _check_key(key, sums)
                sums[key] = {f: _checksum(a) for f, a in arrays.items()}
                sizes[key] = list(arrays['video'].shape[:3])
                for field in sorted(arrays):
                    _add(tar, f'{key}.{field}.npy', arrays[field])
        _verify(part, sums)
        record = dict(
            videos=sizes,
            bytes=part.stat().st_size,
            sha256=file_digest(part),
        )
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return record


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class TarSet:
    """Archives that belong together, and the JSON that says what they are.

    The JSON is written after each archive, so that a run which is stopped
    goes on where it was.

    Args:
        folder: Where the archives go.
        name: Start of their names, as in ``ytvis-train``.
        facts: What the archives depend on; a set that was begun with other
            facts is not continued.

    Raises:
        ValueError: If the folder holds a set of other facts; names one.
    """

    def __init__(
        self, folder: str | Path, name: str, facts: dict[str, Any]
    ) -> None:
        self.folder = Path(folder)
        self.name = name
        self.facts = json.loads(json.dumps(facts))
        self.path = self.folder / f'{name}.json'
        self.shards: dict[str, dict] = {}
        if self.path.is_file():
            self._continue()

    def shard_path(self, index: int) -> Path:
        """Return the place of an archive."""
        return self.folder / f'{self.name}-{index:06d}.tar'

    def is_done(self, index: int, keys: Sequence[str]) -> bool:
        """Say whether an archive is there, whole, and of these videos."""
        path = self.shard_path(index)
        known = self.shards.get(path.name)
        return (
            known is not None
            and list(known['videos']) == list(keys)
            and path.is_file()
            and path.stat().st_size == known['bytes']
            and file_digest(path) == known['sha256']
        )

    def write(self, index: int, videos: Iterator[tuple[str, Arrays]]) -> None:
        """Write one archive and note it."""
        path = self.shard_path(index)
        self.shards[path.name] = write_shard(path, videos)
        content = dict(
            self.facts,
            num_videos=sum(len(s['videos']) for s in self.shards.values()),
            shards=dict(sorted(self.shards.items())),
        )
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_atomically(f'{text}\n'.encode(), self.path)

    def _continue(self) -> None:
        with errors_naming(self.path):
            known = json.loads(self.path.read_text(encoding='utf-8'))
            for key, value in self.facts.items():
                if known.get(key) != value:
                    raise ValueError(
                        f'was made with {key}={known.get(key)!r}, now it is '
                        f'{value!r}; name another folder'
                    )
            self.shards = known['shards']


def _check_key(key: str, known: Iterable[str]) -> None:
    if key in known:
        raise ValueError(f'video {key} occurs twice')
    if not key or set(key) & set('./\\'):
        raise ValueError(
            f'video {key!r} cannot name members of an archive: WebDataset '
            'cuts names at dots and slashes'
        )


def _add(tar: tarfile.TarFile, name: str, array: np.ndarray) -> None:
    buffer = BytesIO()
    np.save(buffer, array)
    info = tarfile.TarInfo(name)
    info.size = buffer.tell()
    buffer.seek(0)
    tar.addfile(info, buffer)


def _checksum(array: np.ndarray) -> int:
    value = 0
    for frame in array:
        value = zlib.crc32(np.ascontiguousarray(frame).data, value)
    return value


def _verify(path: Path, sums: dict[str, dict[str, int]]) -> None:
    """Compare every frame on disk with what was handed over."""
    names = {field for fields in sums.values() for field in fields}
    content = scan_tar(path, sorted(names))
    found = {video['video_id']: video for video in content.videos}
    if content.problem is not None or found.keys() != sums.keys():
        raise ValueError(
            f'{path} holds {len(found)} of {len(sums)} videos: '
            f'{content.problem}'
        )
    for key, fields in sums.items():
        for field, expected in fields.items():
            member = found[key].get(field, dict(problem='is not there'))
            if 'problem' in member:
                raise ValueError(f'{path}: {key}.{field} {member["problem"]}')
            value = 0
            for index in range(member['shape'][0]):
                (frame,) = read_array_frames(path, member, [index])
                value = zlib.crc32(np.ascontiguousarray(frame).data, value)
            if value != expected:
                raise ValueError(
                    f'{path}: {key}.{field} is not what was written; is the '
                    'disk full or broken?'
                )
