"""Groups of objects join into one distribution."""

import torch

from slotkd.ops.soft_aggregation import aggregate_groups


def group(*probs):
    return torch.tensor(probs).view(len(probs), 1, 1)


def test_one_group_comes_back():
    only = group(0.2, 0.8)
    assert aggregate_groups([only]) is only


def test_hand_computed():
    joined = aggregate_groups([group(0.5, 0.5), group(0.8, 0.1, 0.1)])
    odds = torch.tensor([0.4 / 0.6, 1.0, 0.1 / 0.9, 0.1 / 0.9])
    torch.testing.assert_close(joined.flatten(), odds / odds.sum())


def test_certain_pixels_stay_certain():
    """An object of one group is background in the others."""
    joined = aggregate_groups([group(0.0, 1.0), group(1.0, 0.0, 0.0)])
    assert joined.shape == (4, 1, 1)
    assert joined.argmax() == 1 and joined.max() > 0.999
    nothing = aggregate_groups([group(1.0, 0.0), group(1.0, 0.0)])
    assert nothing.argmax() == 0 and torch.isfinite(nothing).all()
