from itertools import permutations

import pytest
import torch

from slotkd.ops.matching import hungarian_match


def _best_sum(table, maximize):
    rows, cols = table.shape
    if rows > cols:
        return _best_sum(table.T, maximize)
    sums = [
        sum(table[r, c].item() for r, c in enumerate(order))
        for order in permutations(range(cols), rows)
    ]
    return max(sums) if maximize else min(sums)


@pytest.mark.parametrize('maximize', [True, False])
@pytest.mark.parametrize('shape', [(3, 4, 4), (3, 3, 5), (3, 5, 3), (2, 1, 1)])
def test_sum_equals_exhaustive_search(shape, maximize):
    score = torch.randn(shape, dtype=torch.float64)
    match = hungarian_match(score, maximize)
    for table, columns in zip(score, match, strict=True):
        used = columns[columns >= 0].tolist()
        assert len(used) == len(set(used)) == min(shape[1:])
        total = sum(
            table[row, column].item()
            for row, column in enumerate(columns.tolist())
            if column >= 0
        )
        assert total == pytest.approx(_best_sum(table, maximize), abs=1e-12)


def test_recovers_a_permutation_and_follows_it():
    order = torch.stack([torch.randperm(7) for _ in range(4)])
    score = torch.nn.functional.one_hot(order, 7).float()
    assert torch.equal(hungarian_match(score), order)
    assert torch.equal(hungarian_match(-score, maximize=False), order)


def test_left_over_rows_are_minus_one():
    score = torch.tensor([[[0.1], [0.9], [0.5]]])
    assert hungarian_match(score).tolist() == [[-1, 0, -1]]


@pytest.mark.parametrize('shape', [(0, 3, 3), (2, 0, 3), (2, 3, 0)])
def test_empty_axes(shape):
    match = hungarian_match(torch.zeros(shape))
    assert match.shape == shape[:2]
    assert (match == -1).all()


@pytest.mark.parametrize('dtype', [torch.int64, torch.bfloat16, torch.float32])
def test_takes_any_number_type_and_graph_leaves(dtype):
    score = torch.eye(3, dtype=dtype)[None]
    if dtype.is_floating_point:
        score.requires_grad_()
    match = hungarian_match(score)
    assert match.tolist() == [[0, 1, 2]]
    assert match.dtype == torch.int64
    assert not match.requires_grad


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_names_the_first_score_that_is_not_finite(bad):
    score = torch.zeros(2, 3, 3)
    score[1, 2, 0] = bad
    with pytest.raises(ValueError, match=r'\(1, 2, 0\)'):
        hungarian_match(score)
