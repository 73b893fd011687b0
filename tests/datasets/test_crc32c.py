import numpy as np
import pytest
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from slotkd.datasets.crc32c import crc32c, masked_crc32c


@pytest.mark.parametrize(
    ('data', 'expected'),
    [
        (b'', 0),
        (b'123456789', 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b'\xff' * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_published_check_values(data, expected):
    assert crc32c(data) == expected


@pytest.mark.parametrize(
    'length', [1, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 600_001]
)
def test_lengths_around_the_lanes(length):
    rng = np.random.default_rng(length)
    data = rng.integers(0, 256, length, np.uint8).tobytes()
    assert crc32c(data) == pywrap_tensorflow.crc32c(data)
    assert crc32c(memoryview(data)) == crc32c(data)
    assert masked_crc32c(data) == pywrap_tensorflow.masked_crc32c(data)


def test_any_flipped_bit_changes_it():
    data = bytearray(40_000)
    seen = {crc32c(bytes(data))}
    for place in (0, 1, 9_999, 16_384, 39_999):
        data[place] ^= 16
        seen.add(crc32c(bytes(data)))
    assert len(seen) == 6
