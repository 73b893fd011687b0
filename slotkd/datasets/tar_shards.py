"""Arrays inside tar archives: found without reading, read in place."""

import tarfile
from collections.abc import Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from slotkd.datasets.array_headers import ArrayHeader, read_header
from slotkd.datasets.shard_index import ShardContent

_BLOCK = 512  # bytes, the unit of a tar archive
_GZIP = b'\x1f\x8b'


def scan_tar(path: Path, fields: Sequence[str]) -> ShardContent:
    """Find the arrays of a shard in the layout of WebDataset.

    A member ``<key>.<field>.npy`` is a field of the video ``<key>``. Only
    headers are read.

    Args:
        path: A tar archive that is not compressed.
        fields: Fields to look for; other members are passed over.

    Returns:
        For each key, in the order of the archive, ``video_id`` and of each
        of its fields ``offset``, ``shape``, ``dtype`` and ``fortran``, or
        ``problem`` where the member is broken.
    """
    videos: dict[str, dict] = {}
    problem, end = None, 0
    try:
        with path.open('rb') as file:
            for member in _members(file):
                key, field = _split_name(member.name, fields)
                if field is None:
                    continue
                end = member.offset_data + member.size
                entry = videos.setdefault(key, dict(video_id=key))
                if field in entry:
                    entry[field] = dict(problem='is there twice')
                else:
                    entry[field] = _describe(file, member)
    except (tarfile.TarError, OSError, EOFError) as error:
        # A field that is cut off has been told already.
        if end <= path.stat().st_size:
            problem = f'is no readable tar archive: {error}'
    except ValueError as error:
        problem = str(error)
    return ShardContent(videos=list(videos.values()), problem=problem)


def array_header(member: dict) -> ArrayHeader:
    """Return the header of a member that :func:`scan_tar` has found."""
    return ArrayHeader(
        shape=tuple(member['shape']),
        dtype=np.dtype(member['dtype']),
        fortran=member['fortran'],
    )


def read_array_frames(
    path: Path, member: dict, frame_ids: Sequence[int]
) -> list[Shaped[np.ndarray, '...']]:
    """Read some frames of an array, and no others.

    Of an array in Fortran order, whose frames are not contiguous, all is
    read. The archive is open only during the call, so that processes share
    nothing.

    Args:
        path: The archive.
        member: As :func:`scan_tar` has found it.
        frame_ids: Indices along the first axis.

    Raises:
        ValueError: If the archive has become shorter.
    """
    header = array_header(member)
    with path.open('rb') as file:
        if header.fortran:
            file.seek(member['offset'])
            whole = _read(file, header.shape[::-1], header.dtype, path).T
            return [np.ascontiguousarray(whole[index]) for index in frame_ids]
        frame_bytes = header.num_bytes // header.shape[0]
        frames = []
        for index in frame_ids:
            file.seek(member['offset'] + index * frame_bytes)
            frames.append(_read(file, header.shape[1:], header.dtype, path))
        return frames


def _members(file: BufferedIOBase) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive to its proper end.

    Raises:
        ValueError: If it is compressed or stops before its end mark, which
            tarfile alone passes over.
        tarfile.TarError: If it is no archive or cut inside a member.
    """
    if file.read(2) == _GZIP:
        raise ValueError('is compressed; unpack it with gunzip')
    file.seek(0)
    with tarfile.open(
        fileobj=file,
        mode='r:',
        encoding='utf-8',
        errors='backslashreplace',
    ) as tar:
        yield from tar
        file.seek(tar.offset)
        if file.read(_BLOCK) != bytes(_BLOCK):
            raise ValueError(
                f'has no member and no end mark at byte {tar.offset}; it is '
                'cut short or damaged'
            )


def _split_name(name: str, fields: Sequence[str]) -> tuple[str, str | None]:
    """Split the name of a member into key and field, if it is a field."""
    for field in fields:
        ending = f'.{field}.npy'
        if name.endswith(ending):
            return name.removesuffix(ending), field
    return name, None


def _describe(file: BufferedIOBase, member: tarfile.TarInfo) -> dict:
    """Return where and what an array is, or its problem."""
    try:
        offset, header = _locate(file, member)
    except (ValueError, EOFError) as error:
        return dict(problem=str(error))
    return dict(
        offset=offset,
        shape=list(header.shape),
        dtype=header.dtype.str,
        fortran=header.fortran,
    )


def _locate(
    file: BufferedIOBase, member: tarfile.TarInfo
) -> tuple[int, ArrayHeader]:
    """Return where the data of an array begin, and its header.

    Raises:
        ValueError: If the member is broken.
    """
    if not member.isreg() or member.issparse():
        raise ValueError('is no regular file')
    there = file.seek(0, 2) - member.offset_data
    if there < member.size:
        raise ValueError(
            f'is cut short: {there} of {member.size} bytes are there'
        )
    file.seek(member.offset_data)
    try:
        header = read_header(file)
    except ValueError as error:
        raise ValueError(f'is no npy file: {error}') from error
    if header.dtype.hasobject:
        raise ValueError(
            f'holds Python objects ({header.dtype}), which are never unpickled'
        )
    offset = file.tell()
    size = member.offset_data + member.size - offset
    if size != header.num_bytes:
        raise ValueError(
            f'is damaged: {header.dtype} {header.shape} takes '
            f'{header.num_bytes} bytes, {size} are there'
        )
    return offset, header


def _read(
    file: BufferedIOBase, shape: tuple[int, ...], dtype: np.dtype, path: Path
) -> np.ndarray:
    """Read the next array."""
    array = np.empty(shape, dtype)
    start = file.tell()
    count = file.readinto(array.data) if array.size else 0
    if count < array.nbytes:
        raise ValueError(
            f'{path}: {count} of {array.nbytes} bytes are there at byte '
            f'{start}; the file has changed since the index was built'
        )
    return array
