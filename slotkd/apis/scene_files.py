"""Videos of physics scenes as files: numpy archives or DAVIS folders."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from slotkd.atomic_file import write_atomically
from slotkd.engine import encode_label_png
from slotkd.ops.vis_annotations import errors_naming

Arrays = dict[str, Shaped[np.ndarray, '...']]
Files = dict[str, bytes]
RESOLUTION = '480p'  # what DAVIS calls the folder, whatever the size
JPEG = dict(quality=95, subsampling=0)


def npz_paths(name: str, num_frames: int, with_maps: bool) -> list[str]:
    """Return the file of a video in a folder of archives."""
    return [f'{name}.npz']


def npz_files(name: str, arrays: Arrays) -> Files:
    """Return a video as a numpy archive, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        for key, array in sorted(arrays.items()):
            archive.writestr(zipfile.ZipInfo(f'{key}.npy'), npy_bytes(array))
    (path,) = npz_paths(name, len(arrays['video']), False)
    return {path: buffer.getvalue()}


def davis_paths(name: str, num_frames: int, with_maps: bool) -> list[str]:
    """Return the files of a video in the layout of DAVIS.

    Depth and flow, which DAVIS does not have, are arrays of whole videos.
    """
    frames = [f'{index:05d}' for index in range(num_frames)]
    images = [f'JPEGImages/{RESOLUTION}/{name}/{f}.jpg' for f in frames]
    masks = [f'Annotations/{RESOLUTION}/{name}/{f}.png' for f in frames]
    kinds = ('Depth', 'ForwardFlow') if with_maps else ()
    return images + masks + [f'{k}/{RESOLUTION}/{name}.npy' for k in kinds]


def davis_files(name: str, arrays: Arrays) -> Files:
    """Return a video as JPEG frames and palette PNG masks."""
    maps = [arrays[k] for k in ('depth', 'forward_flow') if k in arrays]
    contents = [
        *(jpeg_bytes(frame) for frame in arrays['video']),
        *(encode_label_png(m[..., 0]) for m in arrays['segmentations']),
        *(npy_bytes(array) for array in maps),
    ]
    paths = davis_paths(name, len(arrays['video']), bool(maps))
    return dict(zip(paths, contents, strict=True))


def npy_bytes(array: Shaped[np.ndarray, '...']) -> bytes:
    """Return an array as a ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def jpeg_bytes(frame: UInt8[np.ndarray, 'H W 3']) -> bytes:
    """Return a frame as JPEG, hardly compressed."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, 'JPEG', **JPEG)
    return buffer.getvalue()


def files_digest(files: Files) -> str:
    """Return the SHA-256 of names and contents."""
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(f'{path}\0{len(content)}\0'.encode())
        digest.update(content)
    return digest.hexdigest()


class FileSet:
    """Videos in files of their own, and the JSON that says what they are.

    Args:
        folder: Where all goes.
        name: Of the JSON, without ending.
        facts: What the videos depend on; a set that was begun with other
            facts is not continued.
        paths: Which files a video has.
        list_path: A text file for the names of the videos, below the folder.

    Raises:
        ValueError: If the folder holds a set of other facts; names one.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        facts: dict[str, Any],
        *,
        paths: Callable[[str], list[str]],
        list_path: str | None = None,
    ) -> None:
        self.folder = folder
        self.path = folder / f'{name}.json'
        self.facts = facts
        self.paths = paths
        self.list_path = None if list_path is None else folder / list_path
        self.digests: dict[str, str] = {}
        if self.path.is_file():
            self._continue()

    def is_done(self, name: str) -> bool:
        """Say whether a video is there and as it was written."""
        if name not in self.digests:
            return False
        try:
            files = {
                path: (self.folder / path).read_bytes()
                for path in self.paths(name)
            }
        except FileNotFoundError:
            return False
        return files_digest(files) == self.digests[name]

    def write(self, name: str, files: Files) -> None:
        """Write the files of a video; :meth:`save` notes it."""
        for path, content in files.items():
            write_atomically(content, self.folder / path)
        self.digests[name] = files_digest(files)

    def save(self) -> None:
        """Write the JSON and the list of names."""
        content = dict(
            self.facts,
            num_videos=len(self.digests),
            videos=dict(sorted(self.digests.items())),
        )
        text = json.dumps(content, indent=1)
        write_atomically(f'{text}\n'.encode(), self.path)
        if self.list_path is not None:
            names = ''.join(f'{name}\n' for name in sorted(self.digests))
            write_atomically(names.encode(), self.list_path)

    def _continue(self) -> None:
        with errors_naming(self.path):
            known = json.loads(self.path.read_text(encoding='utf-8'))
            for key, value in self.facts.items():
                if known.get(key) != value:
                    raise ValueError(
                        f'was made with {key}={known.get(key)!r}, now it is '
                        f'{value!r}; name another folder'
                    )
            self.digests = known['videos']
