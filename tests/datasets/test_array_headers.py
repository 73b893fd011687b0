import io

import numpy as np
import pytest

from slotkd.datasets.array_headers import (
    ArrayHeader,
    check_masks,
    check_video,
    read_header,
)


def header(*shape, dtype=np.uint8):
    return ArrayHeader(shape=shape, dtype=np.dtype(dtype))


@pytest.mark.parametrize('version', [(1, 0), (2, 0), (3, 0)])
def test_header_of_each_version(version):
    array = np.asfortranarray(np.arange(6, dtype='>i2').reshape(2, 3))
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    file.seek(0)
    found = read_header(file)
    assert found == ArrayHeader(
        shape=(2, 3), dtype=np.dtype('>i2'), fortran=True
    )
    assert found.num_bytes == len(file.read()) == 12


def test_other_files_have_no_header():
    with pytest.raises(ValueError, match='magic'):
        read_header(io.BytesIO(b'PK\3\4 and more'))
    with pytest.raises(ValueError, match='EOF'):
        read_header(io.BytesIO(b'\x93NUMPY\1\0\xff\0{'))


def test_video():
    check_video(header(1, 2, 2, 3), 'a: video')
    for wrong in (
        header(1, 2, 2, 3, dtype=np.int8),
        header(1, 2, 2, 4),
        header(2, 2, 3),
    ):
        with pytest.raises(ValueError, match='a: video must be uint8'):
            check_video(wrong, 'a: video')
    with pytest.raises(ValueError, match='a: video holds no frame'):
        check_video(header(0, 2, 2, 3), 'a: video')


@pytest.mark.parametrize(
    ('shape', 'labels', 'channels'),
    [
        ((4, 8, 9), True, False),
        ((4, 8, 9, 1), True, True),
        ((4, 8, 9, 0), False, True),
        ((4, 8, 9, 5), False, True),
        ((3, 8, 9, 1), False, False),
        ((4, 9, 8, 1), False, False),
    ],
)
def test_masks(shape, labels, channels):
    video = header(4, 8, 9, 3)
    for with_channels, fits in ((False, labels), (True, channels)):
        masks = header(*shape)
        options = dict(with_channels=with_channels)
        if fits:
            check_masks(masks, 'm', video, 'v', **options)
            continue
        with pytest.raises(ValueError, match='m .* do not fit v .4, 8, 9, 3'):
            check_masks(masks, 'm', video, 'v', **options)
    for dtype in (np.float32, bool, object):
        with pytest.raises(ValueError, match='m must be integers, got'):
            check_masks(header(4, 8, 9, dtype=dtype), 'm', video, 'v')
