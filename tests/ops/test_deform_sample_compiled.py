"""Sampling in plain torch against mmcv's compiled operations, on the CPU."""

import pytest
import torch

from slotkd.ops.deform_sample import (
    has_mmcv_kernel,
    reference_points,
    sample_by_torch,
)

pytestmark = [
    pytest.mark.mmcv,
    pytest.mark.skipif(
        not has_mmcv_kernel(), reason='mmcv has no compiled ops'
    ),
]
GRID = (7, 9)


def sample_by_convolution(maps, moves):
    """Read maps at moved cells by mmcv's deformable convolution.

    The kernel is one cell with the identity as its weight, so that nothing
    but the sampling is left. Moves (B, G, M, 2) are (x, y) in cells; mmcv
    wants (y, x) in channels. Beyond the border mmcv reads zeros.
    """
    from mmcv.ops import deform_conv2d

    channels, groups = maps.shape[1], moves.shape[1]
    offset = moves.flip(-1).transpose(2, 3).flatten(1, 2)
    weight = torch.eye(channels).to(maps)[:, :, None, None]
    values = deform_conv2d(
        maps,
        offset.unflatten(2, GRID).contiguous(),
        weight,
        1,  # stride
        0,  # padding
        1,  # dilation
        1,  # groups
        groups,
    )
    return values.flatten(2)


@pytest.mark.parametrize('groups', [1, 2])
def test_compiled_convolution_reads_the_same_points(groups):
    """Values and gradients, where no point leaves the map."""
    torch.manual_seed(0)
    maps = torch.randn(2, 4, *GRID, dtype=torch.double, requires_grad=True)
    cells = reference_points(GRID, 1, maps.detach())
    last = torch.tensor([GRID[1] - 1, GRID[0] - 1], dtype=torch.double)
    points = torch.rand(2, groups, len(cells), 2, dtype=torch.double) * last
    moves = (points - cells).requires_grad_()
    results = []
    for values in (
        sample_by_torch(maps, cells + moves),
        sample_by_convolution(maps, moves),
    ):
        weights = torch.arange(values.numel(), dtype=torch.double)
        loss = (values * weights.view_as(values)).sum()
        results.append((values, *torch.autograd.grad(loss, (maps, moves))))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)
