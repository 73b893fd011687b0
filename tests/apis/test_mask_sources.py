"""Masks come from files, arrays or functions; what does not fit is named."""

import numpy as np
import pytest

from slotkd.apis.mask_sources import open_masks
from slotkd.engine import encode_label_png

FRAME = np.zeros((6, 8, 3), np.uint8)


def mask(label, shape=(6, 8)):
    labels = np.zeros(shape, np.uint8)
    labels[1:3, 2:5] = label
    return labels


def test_an_image_is_the_mask_of_the_first_frame(tmp_path):
    path = tmp_path / 'first.png'
    path.write_bytes(encode_label_png(mask(7)))
    source = open_masks(path)
    np.testing.assert_array_equal(source.at(0, 'any', FRAME), mask(7))
    assert source.at(1, 'first', FRAME) is None
    assert source.origin == str(path)


def test_a_folder_holds_masks_by_the_names_of_frames(tmp_path):
    for name, label in (('00000', 1), ('00005', 2)):
        path = tmp_path / f'{name}.png'
        path.write_bytes(encode_label_png(mask(label)))
    source = open_masks(tmp_path)
    assert source.at(0, '00000', FRAME).max() == 1
    assert source.at(1, '00001', FRAME) is None
    assert source.at(5, '00005', FRAME).max() == 2


def test_arrays_and_functions():
    np.testing.assert_array_equal(
        open_masks(mask(3).astype(np.int64)).at(0, 'a', FRAME), mask(3)
    )
    source = open_masks(lambda frame: mask(int(frame.max()) + 4))
    assert source.at(0, 'a', FRAME).max() == 4
    assert source.at(1, 'b', FRAME) is None
    assert source.origin == 'proposals'


def test_size_must_be_that_of_the_frame(tmp_path):
    path = tmp_path / '00000.png'
    path.write_bytes(encode_label_png(mask(1, (5, 8))))
    with pytest.raises(ValueError, match='00000.png is 5x8, but frame 00000'):
        open_masks(tmp_path).at(0, '00000', FRAME)
    with pytest.raises(ValueError, match='mask array is 5x8'):
        open_masks(mask(1, (5, 8))).at(0, 'a', FRAME)


def test_what_is_no_mask(tmp_path):
    with pytest.raises(ValueError, match='nowhere.png does not exist'):
        open_masks(tmp_path / 'nowhere.png')
    with pytest.raises(ValueError, match='holds no mask'):
        open_masks(tmp_path)
    broken = tmp_path / 'broken.png'
    broken.write_bytes(b'no image')
    with pytest.raises(ValueError, match='broken.png'):
        open_masks(broken)
    with pytest.raises(ValueError, match='got float64 of shape'):
        open_masks(np.zeros((6, 8)))
    with pytest.raises(ValueError, match='got 0 to 300'):
        open_masks(mask(1).astype(np.int64) * 300)
