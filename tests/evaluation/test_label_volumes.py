import numpy as np
import pytest
import torch

from slotkd.evaluation.label_volumes import joint_counts


def _naive(pred, true, labels):
    slots = range(int(pred.min()), int(pred.max()) + 1)
    return [
        [
            [int(((t == g) & (p == k)).sum()) for k in slots]
            for g in labels.tolist()
        ]
        for p, t in zip(pred, true, strict=True)
    ]


def test_counts_equal_a_double_loop():
    pred = torch.randint(-2, 4, (3, 7, 5))
    true = torch.randint(0, 4, (3, 7, 5))
    true[true == 3] = 255
    counts, labels = joint_counts(pred, true)
    assert 255 not in labels
    assert counts.tolist() == _naive(pred, true, labels)
    assert counts.sum() == (true != 255).sum()


def test_far_apart_labels_count_like_near_ones():
    pred, true = torch.randint(0, 4, (2, 2, 9, 9))
    near, _ = joint_counts(pred, true)
    far, labels = joint_counts(pred * 10**9, true * 10**6)
    assert labels.tolist() == [0, 10**6, 2 * 10**6, 3 * 10**6]
    assert torch.equal(far, near)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int32, np.int64])
def test_numpy_and_torch_agree(dtype):
    pred, true = np.random.default_rng(0).integers(0, 5, (2, 2, 6, 4))
    expected, _ = joint_counts(torch.tensor(pred), torch.tensor(true))
    counts, _ = joint_counts(pred.astype(dtype), true.astype(dtype)[...])
    assert torch.equal(counts, expected)


def test_takes_strided_and_boolean_arrays():
    true = np.zeros((4, 4), bool)
    true[:2] = True
    counts, _ = joint_counts(true[::-1], true)
    assert counts.tolist() == [[[0, 8], [8, 0]]]


@pytest.mark.parametrize(
    ('pred', 'true', 'error', 'text'),
    [
        (
            torch.zeros(2, 3, 4),
            torch.zeros(2, 3, 4),
            TypeError,
            'pred .*float',
        ),
        (
            np.zeros((2, 3), int),
            np.zeros((2, 3), complex),
            TypeError,
            'true .*complex',
        ),
        (
            torch.zeros(2, 3, 4, dtype=int),
            torch.zeros(2, 4, 3, dtype=int),
            ValueError,
            r'\(2, 3, 4\) .*\(2, 4, 3\)',
        ),
        (
            torch.zeros(0, 3, 4, dtype=int),
            torch.zeros(0, 3, 4, dtype=int),
            ValueError,
            r'empty: \(0, 3, 4\)',
        ),
        (
            torch.zeros(3, 4, dtype=int),
            torch.full((3, 4), -1),
            ValueError,
            'negative label -1',
        ),
    ],
)
def test_wrong_volumes_are_named(pred, true, error, text):
    with pytest.raises(error, match=text):
        joint_counts(pred, true)
