import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from slotkd.evaluation import boundary_accuracy, region_similarity
from slotkd.evaluation.j_and_f import (
    frame_scores,
    sequence_statistics,
    tolerance_radius,
)


def _box(top, bottom, left, right, shape=(480, 854)):
    """Fill the rows and columns named, both ends included."""
    mask = np.zeros(shape, bool)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


NONE, ALL = _box(0, -1, 0, -1), _box(0, 479, 0, 853)
TRUTH = _box(100, 299, 200, 499)
TOP_LEFT, BOTTOM_RIGHT = _box(0, 99, 0, 99), _box(380, 479, 754, 853)


@pytest.mark.parametrize(
    ('pred', 'true', 'j', 'f'),
    [
        (TRUTH, TRUTH, 1.0, 1.0),
        (_box(100, 299, 208, 507), TRUTH, 0.948052, 1.0),
        (_box(100, 299, 209, 508), TRUTH, 0.941748, 0.616),
        (_box(112, 311, 212, 511), TRUTH, 0.822157, 0.034),
        (_box(95, 304, 195, 504), TRUTH, 0.921659, 1.0),
        (_box(100, 199, 200, 499), TRUTH, 0.5, 0.574444),
        (NONE, TRUTH, 0.0, 0.0),
        (ALL, TRUTH, 0.146370, 0.0),
        (NONE, NONE, 1.0, 1.0),
        (ALL, ALL, 1.0, 1.0),
        (_box(0, 99, 0, 109), TOP_LEFT, 0.909091, 0.529412),
        (_box(380, 479, 744, 853), BOTTOM_RIGHT, 0.909091, 0.529126),
    ],
)
def test_golden_values(pred, true, j, f):
    assert region_similarity(pred, true) == pytest.approx(j, abs=1e-6)
    assert boundary_accuracy(pred, true) == pytest.approx(f, abs=1e-6)
    assert boundary_accuracy(true, pred) == pytest.approx(f, abs=1e-6)


def _slow_boundary(mask):
    height, width = mask.shape
    edge = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            near = []
            if x + 1 < width:
                near.append(mask[y, x + 1])
            if y + 1 < height:
                near.append(mask[y + 1, x])
            if len(near) == 2:
                near.append(mask[y + 1, x + 1])
            edge[y, x] = any(value != mask[y, x] for value in near)
    return edge


def _slow_f(pred, true, radius):
    reach = np.arange(-int(radius), int(radius) + 1)
    disc = reach[:, None] ** 2 + reach**2 <= radius**2
    a, b = _slow_boundary(pred), _slow_boundary(true)
    if not a.any() or not b.any():
        return float(a.any() == b.any())
    precision = (a & binary_dilation(b, disc)).sum() / a.sum()
    recall = (b & binary_dilation(a, disc)).sum() / b.sum()
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('radius', [1.0, 2.5, 4.0])
def test_equals_a_slow_twin(seed, radius):
    generator = np.random.default_rng(seed)
    density = generator.choice([0.02, 0.5, 0.97], 2)[:, None, None]
    pred, true = generator.random((2, 23, 31)) < density
    assert boundary_accuracy(pred, true, radius) == pytest.approx(
        _slow_f(pred, true, radius), abs=1e-12
    )
    union = (pred | true).sum()
    assert region_similarity(pred, true) == pytest.approx(
        (pred & true).sum() / union, abs=1e-12
    )


def test_many_boundary_pixels_are_looked_up_in_parts():
    pred, true = np.random.default_rng(0).random((2, 120, 140)) < 0.5
    assert pred.size > 2 * 4096
    assert boundary_accuracy(pred, true, 1.0) == pytest.approx(
        _slow_f(pred, true, 1.0), abs=1e-12
    )


def test_all_pairs_of_a_frame_equal_single_masks():
    generator = np.random.default_rng(0)
    pred = generator.integers(0, 4, (6, 7)).repeat(5, 0).repeat(5, 1)
    true = generator.integers(0, 3, (6, 7)).repeat(5, 0).repeat(5, 1)
    j, f = frame_scores(pred, true, 3, 2, 2.0)
    assert j.shape == f.shape == (2, 3)
    for row in range(2):
        for column in range(3):
            pair = pred == column, true == row
            assert j[row, column] == pytest.approx(region_similarity(*pair))
            assert f[row, column] == pytest.approx(
                boundary_accuracy(*pair, 2.0), abs=1e-12
            )


def test_tolerance():
    assert tolerance_radius((480, 854), 0.008) == 8
    assert tolerance_radius((480, 854), 3) == 3
    assert tolerance_radius((480, 854), 0.0) == 0
    shifted = _box(100, 299, 203, 502)
    assert boundary_accuracy(shifted, TRUTH, 3.0) == 1
    assert boundary_accuracy(shifted, TRUTH, 2) < 1
    assert boundary_accuracy(TRUTH, TRUTH, 0.0) == 1
    with pytest.raises(ValueError, match=r'-0\.1'):
        boundary_accuracy(TRUTH, TRUTH, -0.1)


def test_torch_and_integer_masks():
    pred, true = _box(112, 311, 212, 511), TRUTH
    expected = region_similarity(pred, true), boundary_accuracy(pred, true)
    for pair in (
        (torch.from_numpy(pred), torch.from_numpy(true)),
        (pred.astype(np.uint8) * 255, true.astype(np.int64)),
    ):
        assert (region_similarity(*pair), boundary_accuracy(*pair)) == expected


@pytest.mark.parametrize(
    ('pred', 'text'),
    [
        (np.zeros((3, 5), bool), r'\(3, 5\).*\(4, 5\)'),
        (np.zeros((1, 4, 5), bool), r'\(1, 4, 5\)'),
        (np.zeros((4, 5)), 'float64'),
    ],
)
def test_masks_that_do_not_fit(pred, text):
    for measure in (region_similarity, boundary_accuracy):
        with pytest.raises(ValueError, match=text):
            measure(pred, np.zeros((4, 5), bool))


@pytest.mark.parametrize(
    ('frames', 'mean', 'recall', 'decay'),
    [
        (5, 0.5, 0.4, 0.75),
        (10, 0.5, 0.5, 0.777778),
        (49, 0.5, 0.489796, 0.75),
        (50, 0.5, 0.5, 0.755102),
    ],
)
def test_statistics(frames, mean, recall, decay):
    got = sequence_statistics(np.linspace(1, 0, frames))
    assert got == pytest.approx((mean, recall, decay), abs=1e-6)


def test_statistics_of_long_and_short_videos():
    long = sequence_statistics(np.linspace(1, 0, 300))
    assert long.decay == pytest.approx(0.75, abs=0.005)
    assert sequence_statistics(np.ones(1)) == (1, 1, 0)
    with pytest.raises(ValueError, match='at least one frame'):
        sequence_statistics(np.ones(0))


def test_statistics_pass_over_nan():
    values = np.array([1.0, np.nan, 1.0, 0.0, 0.0])
    mean, recall, decay = sequence_statistics(values)
    assert (mean, recall, decay) == pytest.approx((0.5, 0.4, 1.0))
