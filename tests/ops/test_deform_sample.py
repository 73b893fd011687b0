"""Points fall on cells without offset, and sampling is bilinear."""

import pytest
import torch
from torch.nn import functional as F

from slotkd.ops.deform_sample import (
    deform_sample,
    has_mmcv_kernel,
    mmcv_arguments,
    normalize_points,
    reference_points,
    sample_by_mmcv,
    sample_by_torch,
)

GRID = (5, 7)


def bilinear(values, x, y):
    """Interpolate one map at one point by its four cells."""
    h, w = values.shape
    x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
    left, top = min(int(x), w - 2), min(int(y), h - 2)
    fx, fy = x - left, y - top
    return (
        values[top, left] * (1 - fx) * (1 - fy)
        + values[top, left + 1] * fx * (1 - fy)
        + values[top + 1, left] * (1 - fx) * fy
        + values[top + 1, left + 1] * fx * fy
    )


def points_of(batch=1, groups=1, stride=1, grid=GRID):
    points = reference_points(
        grid, stride, torch.zeros((), dtype=torch.double)
    )
    return points.expand(batch, groups, -1, 2)


def test_points_at_stride_1_are_the_cells():
    points = reference_points(GRID, 1, torch.zeros(())).reshape(5, 7, 2)
    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(7.0), indexing='ij')
    torch.testing.assert_close(points, torch.stack([x, y], -1))


@pytest.mark.parametrize('length', [4, 5, 7, 30])
@pytest.mark.parametrize('stride', [2, 4])
def test_points_cover_any_size_evenly(length, stride):
    x = reference_points((1, length), stride, torch.zeros(()))[:, 0]
    count = -(-length // stride)
    assert len(x) == count
    torch.testing.assert_close(
        x, torch.tensor([x[0] + i * length / count for i in range(count)])
    )
    # As far from the first cell's edge as from the last one's.
    assert float(x[0] + 0.5) == pytest.approx(float(length - 0.5 - x[-1]))


def test_corners_are_one():
    corners = torch.tensor([[0.0, 0.0], [6.0, 4.0], [3.0, 2.0], [7.0, 0.0]])
    expected = torch.tensor([[-1.0, -1.0], [1, 1], [0, 0], [4 / 3, -1]])
    torch.testing.assert_close(normalize_points(corners, GRID), expected)


def test_an_axis_of_one_cell_has_no_extent():
    points = torch.tensor([[0.0, 0.0], [3.0, 2.0]])
    assert normalize_points(points, (1, 1)).abs().max() == 0
    maps = torch.tensor([[[[7.0]]]])
    values = deform_sample(maps, points.expand(1, 1, 2, 2))
    assert values.tolist() == [[[7, 7]]]


@pytest.mark.parametrize(
    ('dtype', 'tolerance'), [(torch.double, 2e-14), (torch.float, 1e-5)]
)
@pytest.mark.parametrize('grid', [(30, 30), (5, 7), (31, 54)])
def test_without_offsets_the_map_comes_back(dtype, tolerance, grid):
    maps = torch.randn(2, 3, *grid, dtype=dtype)
    points = reference_points(grid, 1, maps).expand(2, 1, -1, 2)
    error = (deform_sample(maps, points) - maps.flatten(2)).abs().max()
    assert error <= tolerance


def test_the_rule_of_dat_does_not_give_the_map_back():
    """It adds 0.5 and divides by h - 1: no cell is its own place."""
    h = w = 30
    maps = torch.randn(1, 64, h, w, dtype=torch.double)
    y = (torch.arange(h) + 0.5) / (h - 1) * 2 - 1
    places = torch.stack(torch.meshgrid(y, y, indexing='ij')[::-1], -1)
    theirs = F.grid_sample(
        maps, places[None].double(), mode='bilinear', align_corners=True
    )
    error = (theirs - maps).abs().mean()
    assert float(error) == pytest.approx(0.69, abs=0.02)
    ours = deform_sample(maps, points_of(grid=(h, w)))
    assert (ours.unflatten(2, (h, w)) - maps).abs().mean() < 1e-14


def test_sampling_is_bilinear_with_groups_and_repeated_border():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 6, *GRID, generator=generator, dtype=torch.double)
    points = torch.rand(2, 3, 8, 2, generator=generator).double() * 12 - 3
    values = deform_sample(maps, points)
    for b in range(2):
        for c in range(6):
            for m in range(8):
                x, y = points[b, c // 2, m].tolist()
                expected = bilinear(maps[b, c], x, y)
                assert float(values[b, c, m]) == pytest.approx(float(expected))


def test_memory_and_offsets_shifted_by_whole_cells_read_the_same():
    maps = torch.randn(1, 4, 9, 9, dtype=torch.double)
    shifted = maps.roll((2, -1), dims=(2, 3))
    points = points_of(grid=(9, 9))
    moved = deform_sample(shifted, points + torch.tensor([-1.0, 2.0]))
    same = deform_sample(maps, points)
    inside = ((points >= 1) & (points <= 6)).all(-1)[0, 0]
    torch.testing.assert_close(moved[..., inside], same[..., inside])


def test_gradients_reach_maps_and_points():
    maps = torch.randn(1, 4, 4, 5, dtype=torch.double, requires_grad=True)
    points = torch.rand(1, 2, 6, 2, dtype=torch.double) * 2.7 + 0.15
    points.requires_grad_(True)
    assert torch.autograd.gradcheck(deform_sample, (maps, points))


def test_half_precision_is_lifted_to_the_precision_of_points():
    maps = torch.randn(1, 2, *GRID).bfloat16()
    values = deform_sample(maps, points_of().float())
    assert values.dtype == torch.float32
    torch.testing.assert_close(values, maps.flatten(2).float())


def test_channels_must_divide_into_groups():
    with pytest.raises(ValueError, match='5 channels .* into 2 groups'):
        deform_sample(torch.randn(1, 5, *GRID), points_of(groups=2).float())


def test_arguments_for_mmcv_mean_the_same():
    """By mmcv's own slow reference, which is in the build without ops."""
    from mmcv.ops.multi_scale_deform_attn import (
        multi_scale_deformable_attn_pytorch,
    )

    maps = torch.randn(2, 6, *GRID, dtype=torch.double)
    points = torch.rand(2, 3, 11, 2, dtype=torch.double) * 12 - 3
    theirs = multi_scale_deformable_attn_pytorch(*mmcv_arguments(maps, points))
    torch.testing.assert_close(
        theirs.transpose(1, 2), sample_by_torch(maps, points)
    )


@pytest.mark.mmcv
@pytest.mark.gpu
@pytest.mark.skipif(not has_mmcv_kernel(), reason='mmcv has no compiled ops')
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_kernel_of_mmcv_is_a_twin():
    maps = torch.randn(2, 8, *GRID, device='cuda', requires_grad=True)
    points = (torch.rand(2, 2, 11, 2, device='cuda') * 12 - 3).requires_grad_()
    results = []
    for sample in (sample_by_torch, sample_by_mmcv):
        values = sample(maps, points)
        grads = torch.autograd.grad(values.square().sum(), (maps, points))
        results.append((values, *grads))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_build_without_ops_has_no_kernel():
    if has_mmcv_kernel():
        pytest.skip('this mmcv is compiled')
    with pytest.raises(RuntimeError, match='needs the compiled'):
        sample_by_mmcv(torch.randn(1, 2, *GRID), points_of().float())
