"""The bias depends on the way from query to key alone."""

import torch

from slotkd.models.propagation import LogPositionBias
from slotkd.ops.deform_sample import reference_points

GRID = (3, 4)


def trained():
    torch.manual_seed(0)
    bias = LogPositionBias(8)
    torch.nn.init.normal_(bias.proj.weight)
    return bias


def test_a_new_bias_is_zero():
    points = torch.rand(2, 5, 2)
    assert LogPositionBias()(points, GRID).abs().max() == 0


def test_equal_ways_have_equal_bias():
    points = reference_points(GRID, 1, torch.zeros(())).expand(1, -1, 2)
    bias = trained()(points, GRID)[0].reshape(3, 4, 3, 4)
    # From (y, x) one down and two to the right.
    ways = [bias[y, x, y + 1, x + 2] for y in range(2) for x in range(2)]
    torch.testing.assert_close(torch.stack(ways), ways[0].expand(4))
    assert not torch.isclose(bias[0, 0, 1, 2], bias[0, 0, 2, 1])


def test_points_between_cells_have_gradients():
    points = (torch.rand(1, 5, 2) * 3).requires_grad_()
    trained()(points, GRID).sum().backward()
    assert points.grad.abs().sum() > 0
