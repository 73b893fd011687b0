import numpy as np
import pytest

from slotkd.ops.rle import (
    compress_runs,
    decode_mask,
    decompress_runs,
    encode_mask,
    frame_runs,
    mask_runs,
)


def _masks():
    generator = np.random.default_rng(0)
    for density in (0, 0.01, 0.5, 0.99, 1):
        for _ in range(8):
            size = generator.integers(1, 60, 2)
            yield generator.random(size) < density
    yield np.zeros((700, 900), bool)
    yield np.ones((700, 900), bool)


def test_round_trip_of_strings_and_lists():
    for mask in _masks():
        packed = encode_mask(mask)
        assert packed['size'] == list(mask.shape)
        listed = dict(packed, counts=mask_runs(mask).tolist())
        raw = dict(packed, counts=packed['counts'].encode())
        for form in (packed, listed, raw):
            assert np.array_equal(decode_mask(form, mask.shape), mask)


def test_known_strings():
    """As pycocotools 2.0.11 writes them."""
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = True
    assert mask_runs(mask).tolist() == [5, 2, 2, 2, 2, 2, 5]
    assert encode_mask(mask)['counts'] == '5220003'
    assert encode_mask(~mask)['counts'] == '052M0003'
    assert encode_mask(np.ones((6, 6), bool))['counts'] == '0T1'
    assert encode_mask(np.zeros((6, 6), bool))['counts'] == 'T1'


def test_runs_go_down_the_columns_and_start_with_zeros():
    mask = np.array([[1, 0], [1, 0], [0, 1]], bool)
    assert mask_runs(mask).tolist() == [0, 2, 3, 1]
    assert mask_runs(~mask).tolist() == [2, 3, 1]


def test_strings_hold_large_and_falling_numbers():
    runs = np.array([10**9, 1, 5, 10**8, 1, 2**34, 15, 16, 0, 17, 10**11])
    text = compress_runs(runs)
    assert decompress_runs({3: text})[3].tolist() == runs.tolist()


def test_many_strings_decode_like_single_ones():
    strings = {
        2 * i: encode_mask(mask)['counts'] for i, mask in enumerate(_masks())
    }
    together = decompress_runs(strings)
    assert list(together) == list(strings)
    for key, text in strings.items():
        alone = decompress_runs({0: text})[0]
        assert together[key].tolist() == alone.tolist()
    assert decompress_runs({}) == {}


def test_polygon_of_whole_pixels():
    box = [1, 1, 4, 1, 4, 3, 1, 3]
    expected = np.zeros((5, 6), bool)
    expected[1:3, 1:4] = True
    assert np.array_equal(decode_mask([box], (5, 6)), expected)
    backwards = np.reshape(box, (4, 2))[::-1].ravel().tolist()
    assert np.array_equal(decode_mask([backwards], (5, 6)), expected)


def test_polygons_unite_and_are_cut_at_the_frame():
    left, right = [-9, -9, 2, -9, 2, 99, -9, 99], [1, 0, 3, 0, 3, 2, 1, 2]
    mask = decode_mask([left, right], (4, 5))
    assert mask[:, :2].all()
    assert mask[:, 2:].sum() == 2
    assert mask[:2, 2].all()


def test_polygon_equals_pycocotools():
    """Compared with frPyObjects and merge of pycocotools 2.0.11."""
    star = [10.3, 0.5, 13, 7, 19.7, 7.2, 14, 12, 16.5, 19, 10, 14.6, 3, 19]
    star += [6, 12, 0.2, 7, 7, 7]
    runs = frame_runs([[star]], (20, 22))[0]
    expected = 'k01c01O1FN03LO51I086O0O1O2O12O2M10OKG08OLN418O1Of1'
    assert compress_runs(runs) == expected


def test_absent_frames_are_left_out():
    mask = encode_mask(np.eye(3, dtype=bool))
    assert list(frame_runs([None, mask, [], mask], (3, 3))) == [1, 3]
    assert not decode_mask(None, (3, 3)).any()


@pytest.mark.parametrize(
    ('segmentation', 'text'),
    [
        (dict(size=[4, 3], counts='0<'), r'frame 1: .*\[4, 3\].*\[3, 4\]'),
        (dict(size=[3, 4], counts=[5, 6]), 'frame 1: .*add up to 11.* 3 x 4'),
        (dict(size=[3, 4], counts=[14, -2]), 'frame 1: .*smallest -2'),
        (dict(size=[3, 4], counts='0'), 'frame 1: .*add up to 0'),
        (dict(size=[3, 4], counts=''), 'frame 1: .*add up to 0'),
        (dict(size=[3, 4], counts='0\x7f'), 'frame 1: malformed'),
        (dict(size=[3, 4], counts='0 '), 'frame 1: malformed'),
        (dict(size=[3, 4], counts='0T'), 'frame 1: malformed'),
        (dict(size=[3, 4]), 'frame 1: .*add up to 0'),
        (dict(counts='0<'), 'frame 1: .*size None'),
        ([[0, 0, 1, 1]], 'frame 1: .*three corners.* 4 numbers'),
        ([[0, 0, 1, 1, 2, 2, 3]], 'frame 1: .* 7 numbers'),
    ],
)
def test_broken_segmentations_name_the_frame(segmentation, text):
    good = encode_mask(np.eye(3, 4, dtype=bool))
    with pytest.raises(ValueError, match=text):
        frame_runs([good, segmentation, good], (3, 4))
