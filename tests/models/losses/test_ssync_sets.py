"""Selection of tokens by count, by soft disagreement and by entropy."""

import pytest
import torch
from torch import nn

from slotkd.models.losses.ssync_sets import (
    low_entropy_tokens,
    neighbour_sets,
    settle_swaps,
)
from slotkd.ops.masks import differing_neighbours, one_hot_maps

GRID = (5, 6)


def striped_labels(noise=0.1):
    labels = torch.arange(30).remainder(6).div(2).long().expand(2, 3, 30)
    odd = torch.randint(0, 3, (2, 3, 30))
    return torch.where(torch.rand(2, 3, 30) < noise, odd, labels)


@pytest.mark.parametrize('n_nbd', [1, 3])
@pytest.mark.parametrize(('bd_rule', 'n_bd'), [('ge', 1), ('gt', 2)])
@pytest.mark.parametrize('n_agree', [0, 1, 6])
def test_sets_follow_the_counts(bd_rule, n_bd, n_agree, n_nbd):
    first, second = striped_labels(), striped_labels()
    boundary, interior = neighbour_sets(
        first,
        second,
        GRID,
        bd_rule=bd_rule,
        n_bd=n_bd,
        n_agree=n_agree,
        n_nbd=n_nbd,
    )
    differ = differing_neighbours(first.unflatten(2, GRID)).flatten(2).int()
    least = n_bd if bd_rule == 'ge' else n_bd + 1
    expected = (differ >= least) & (10 - differ >= n_agree)
    assert torch.equal(boundary, expected)
    differ = differing_neighbours(second.unflatten(2, GRID)).flatten(2)
    assert torch.equal(interior, differ < n_nbd)
    assert 0 < boundary.float().mean() < 1 > interior.float().mean() > 0


def test_specks_are_rejected_under_omit_also_at_the_rim():
    labels = torch.zeros(1, 3, 5, 6, dtype=torch.long)
    labels[0, 0, 0, 0] = labels[0, 1, 2, 2] = 1
    for border, corner in (('edge', True), ('omit', False)):
        boundary, _ = neighbour_sets(
            labels.flatten(2), labels.flatten(2), GRID, border=border
        )
        boundary = boundary.unflatten(2, GRID)[0]
        assert boundary[0, 0, 0] == corner
        assert not boundary[1, 2, 2]
        assert boundary[0, 0, 1]
        assert boundary[0, 2, 2]


def test_probabilities_count_like_labels_where_they_are_sure():
    first, second = striped_labels(), striped_labels()
    hard = neighbour_sets(first, second, GRID)
    soft = neighbour_sets(
        one_hot_maps(first, 3, torch.float32),
        one_hot_maps(second, 3, torch.float32),
        GRID,
    )
    assert torch.equal(soft[0], hard[0])
    assert torch.equal(soft[1], hard[1])


def test_erosion_is_the_rule_without_time_and_specks():
    labels = striped_labels()
    boundary, _ = neighbour_sets(
        labels, labels, GRID, temporal=False, n_agree=0
    )
    maps = one_hot_maps(labels, 3, torch.float32).unflatten(3, GRID)
    # Erosion of the 0/1 maps: the smallest value in the 3 x 3 window.
    eroded = -nn.functional.max_pool2d(-maps.flatten(0, 1), 3, 1, 1)
    inside = eroded.sum(1).bool().unflatten(0, (2, 3)).flatten(2)
    assert torch.equal(boundary, ~inside)


def test_low_entropy_tokens_are_the_surest_of_their_clip():
    probs = torch.randn(2, 2, 5, 30).softmax(2)
    probs[1] = probs[1].square() / probs[1].square().sum(1, keepdim=True)
    entropy = -(probs * probs.log()).sum(2)
    chosen = low_entropy_tokens(probs, 0.2)
    assert (chosen.sum((1, 2)) == 12).all()
    for clip in range(2):
        sure = entropy[clip][chosen[clip]]
        assert sure.max() < entropy[clip][~chosen[clip]].min()
    below = low_entropy_tokens(probs)
    assert torch.equal(below, entropy < entropy.mean((1, 2), keepdim=True))
    assert low_entropy_tokens(probs, 1.0).all()
    with pytest.raises(ValueError, match=r'entropy_share=0.0'):
        low_entropy_tokens(probs, 0.0)


def test_swaps_are_kept_dropped_or_left_to_the_boundary():
    boundary, interior, differ = torch.rand(3, 2, 3, 30) < 0.5
    swap = boundary & interior & differ
    for swaps, expected in {
        'keep': (boundary, interior),
        'drop': (boundary & ~swap, interior & ~swap),
        'boundary': (boundary, interior & ~swap),
    }.items():
        actual = settle_swaps(boundary, interior, differ, swaps)
        assert torch.equal(actual[0], expected[0])
        assert torch.equal(actual[1], expected[1])
