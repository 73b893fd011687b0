"""The checksum of TFRecord files, CRC-32C, fast enough in numpy."""

from functools import cache

import numpy as np
from jaxtyping import UInt32

_POLYNOMIAL = np.uint32(0x82F63B78)  # Castagnoli, lowest bit first
_ONES = 0xFFFFFFFF
_LANES = (1 << 16, 1 << 10, 1 << 4)  # advance side by side in numpy
_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes | memoryview) -> int:
    """Return the CRC-32C of the data.

    The register is linear in the data, so long data are cut into lanes of
    equal length that advance together, four bytes a step; then neighbours
    are joined by shifting the left one over the length of the right one.

    Args:
        data: Contiguous bytes.

    Source:
        Castagnoli et al., Optimization of Cyclic Redundancy-Check Codes,
        1993; check values of RFC 3720, B.4. Joining as in zlib's
        ``crc32_combine``.
    """
    register, data = _ONES, memoryview(data)
    for lanes in _LANES:
        steps = len(data) // (4 * lanes)
        if steps:
            part, data = data[: 4 * lanes * steps], data[4 * lanes * steps :]
            words = np.frombuffer(part, '<u4').reshape(lanes, steps)
            register = _advance_lanes(register, words)
    table = _byte_table().tolist()
    for byte in data:
        register = table[(register ^ byte) & 255] ^ register >> 8
    return register ^ _ONES


def masked_crc32c(data: bytes | memoryview) -> int:
    """Return the CRC-32C of the data in the disguise of TFRecord files.

    Source:
        tensorflow/tensorflow:tensorflow/core/lib/hash/crc32c.h, ``Mask``.
    """
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _ONES


def _advance_lanes(register: int, words: UInt32[np.ndarray, 'L S']) -> int:
    """Advance the register over the words, which follow row after row."""
    low, high = _word_tables()
    lanes = np.zeros(len(words), np.uint32)
    lanes[0] = register
    for column in words.T:
        lanes ^= column
        # Wrapping, which never happens, spares a check of the indices.
        lanes = low.take(lanes & 0xFFFF, mode='wrap') ^ high.take(
            lanes >> 16, mode='wrap'
        )
    shift = _power(_word_shift(), words.shape[1])
    while len(lanes) > 1:
        lanes = _apply(shift, lanes[::2]) ^ lanes[1::2]
        shift = _apply(shift, shift)
    return int(lanes[0])


def _shift_bits(
    registers: UInt32[np.ndarray, ' n'], bits: int
) -> UInt32[np.ndarray, ' n']:
    """Advance registers over zero bits."""
    for _ in range(bits):
        odd = registers & 1
        registers = (registers >> 1) ^ odd * _POLYNOMIAL
    return registers


@cache
def _byte_table() -> UInt32[np.ndarray, ' 256']:
    return _shift_bits(np.arange(256, dtype=np.uint32), 8)


@cache
def _word_tables() -> tuple[np.ndarray, np.ndarray]:
    """Return what four zero bytes make of the low and of the high half."""
    half = np.arange(1 << 16, dtype=np.uint32)
    return _shift_bits(half, 32), _shift_bits(half << 16, 32)


@cache
def _word_shift() -> UInt32[np.ndarray, ' 32']:
    """Return what four zero bytes make of each single bit."""
    return _shift_bits(np.uint32(1) << np.arange(32, dtype=np.uint32), 32)


def _apply(
    shift: UInt32[np.ndarray, ' 32'], registers: UInt32[np.ndarray, ' n']
) -> UInt32[np.ndarray, ' n']:
    """Apply a linear map, given by the images of single bits."""
    result = np.zeros_like(registers)
    for bit, image in enumerate(shift):
        result ^= (registers >> np.uint32(bit) & 1) * image
    return result


def _power(shift: UInt32[np.ndarray, ' 32'], count: int) -> np.ndarray:
    """Apply a linear map ``count`` times in a row."""
    result = np.uint32(1) << np.arange(32, dtype=np.uint32)
    while count:
        if count & 1:
            result = _apply(shift, result)
        shift = _apply(shift, shift)
        count >>= 1
    return result
