"""TFRecord files and the bytes in their examples, found without TensorFlow.

A record is its length (8 bytes), the length's checksum (4), the data and
their checksum (4), all little-endian. The data are a ``tf.train.Example``: a
map from names to lists, here of byte strings.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slotkd.datasets.crc32c import masked_crc32c

Span = tuple[int, int]  # first byte and end

_LENGTH = struct.Struct('<QI')
_CHECKSUM = struct.Struct('<I')
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5


class ShardError(ValueError):
    """What follows in a file cannot be found."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """Where a record lies in its file.

    Args:
        start: First byte of the data.
        end: First byte after them.
        checksum: What the file says it is, masked.
    """

    start: int
    end: int
    checksum: int


def map_file(path: Path) -> memoryview:
    """Map a file into memory; pages are read when they are looked at."""
    if not path.stat().st_size:
        return memoryview(b'')
    with path.open('rb') as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def iterate_records(data: memoryview) -> Iterator[Record]:
    """Yield the records of a file.

    Raises:
        ShardError: If a length fails its checksum, or the file ends inside a
            record; names the record and the byte.
    """
    place, index = 0, 0
    while place < len(data):
        if len(data) - place < _LENGTH.size:
            raise ShardError(
                f'ends after {len(data) - place} of {_LENGTH.size} bytes of '
                f'the head of record {index}'
            )
        length, checksum = _LENGTH.unpack_from(data, place)
        found = masked_crc32c(data[place : place + 8])
        if found != checksum:
            raise ShardError(
                f'is damaged at byte {place}: the length of record {index} '
                f'has checksum {found:08x}, not {checksum:08x}'
            )
        start = place + _LENGTH.size
        end = start + length
        place = end + _CHECKSUM.size
        if place > len(data):
            raise ShardError(
                f'is cut short: {len(data) - start} of '
                f'{length + _CHECKSUM.size} bytes of record {index} are there'
            )
        yield Record(
            start=start,
            end=end,
            checksum=_CHECKSUM.unpack_from(data, end)[0],
        )
        index += 1


def check_record(data: memoryview, record: Record) -> None:
    """Compare the data of a record with their checksum.

    Raises:
        ValueError: If they differ.
    """
    found = masked_crc32c(data[record.start : record.end])
    if found != record.checksum:
        raise ValueError(
            f'is damaged: its data have checksum {found:08x}, not '
            f'{record.checksum:08x}'
        )


def find_byte_lists(
    data: memoryview, record: Record, names: set[str]
) -> dict[str, list[Span]]:
    """Find byte strings in an example.

    Args:
        data: The file.
        record: One of its records.
        names: Features to look for.

    Returns:
        For each feature that is there, where its byte strings lie in the
        file; no string for a feature of numbers.

    Raises:
        ValueError: If the data are no ``tf.train.Example``.

    Source:
        Field numbers of tensorflow/tensorflow:
        tensorflow/core/example/example.proto and feature.proto.
    """
    found: dict[str, list[Span]] = {}
    for features in _fields(data, (record.start, record.end), 1):
        for entry in _fields(data, features, 1):
            for start, end in _fields(data, entry, 1):
                name = bytes(data[start:end]).decode(errors='replace')
                if name in names:
                    found[name] = [
                        value
                        for feature in _fields(data, entry, 2)
                        for values in _fields(data, feature, 1)
                        for value in _fields(data, values, 1)
                    ]
    return found


def _fields(data: memoryview, message: Span, number: int) -> Iterator[Span]:
    """Yield where the values of one field of a protobuf message lie."""
    place, end = message
    while place < end:
        tag, place = _varint(data, place, end)
        start, place = _value(data, place, end, tag & 7)
        if place > end:
            raise ValueError(f'is no example: a field runs past byte {end}')
        if tag == number << 3 | _DELIMITED:
            yield start, place


def _value(data: memoryview, place: int, end: int, wire: int) -> Span:
    """Return where the value of a field lies."""
    if wire == _DELIMITED:
        length, place = _varint(data, place, end)
        return place, place + length
    if wire == _VARINT:
        return place, _varint(data, place, end)[1]
    if wire in (_FIXED64, _FIXED32):
        return place, place + (8 if wire == _FIXED64 else 4)
    raise ValueError(f'is no example: wire type {wire} at byte {place}')


def _varint(data: memoryview, place: int, end: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where it ends."""
    value = shift = 0
    while place < end and shift < 64:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError(f'is no example: no number ends before byte {place}')
