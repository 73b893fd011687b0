"""Competitive attention and slot geometry against hand-made cases."""

import math

import pytest
import torch

from slotkd.ops.attention import (
    competitive_weights,
    frame_coordinates,
    relative_coordinates,
    slot_geometry,
)

F64 = torch.float64


@pytest.mark.parametrize('eps_mode', ['before', 'sum'])
def test_weights_equal_a_naive_loop(eps_mode):
    logits = torch.randn(2, 3, 5, dtype=F64)
    eps = 0.01
    weights = competitive_weights(logits, eps=eps, eps_mode=eps_mode)
    for b in range(2):
        exp = [[math.exp(value) for value in row] for row in logits[b]]
        won = [
            [exp[k][n] / sum(row[n] for row in exp) for n in range(5)]
            for k in range(3)
        ]
        for k in range(3):
            total = sum(won[k]) + (5 * eps if eps_mode == 'before' else eps)
            for n in range(5):
                share = won[k][n] + (eps if eps_mode == 'before' else 0)
                assert float(weights[b, k, n]) == pytest.approx(share / total)


def test_weights_sum_to_one_over_tokens():
    weights = competitive_weights(5 * torch.randn(2, 3, 4, 7, dtype=F64))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 4, dtype=F64))


def test_a_starved_slot_stays_finite():
    logits = torch.zeros(1, 2, 4, dtype=F64)
    logits[:, 1] = -500
    logits.requires_grad_()
    spread = competitive_weights(logits)
    empty = competitive_weights(logits, eps_mode='sum')
    torch.testing.assert_close(spread[0, 1], torch.full((4,), 0.25, dtype=F64))
    assert float(empty[0, 1].detach().max()) < 1e-100
    (spread * torch.randn(4) + empty).sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_one_slot_averages_all_tokens():
    weights = competitive_weights(torch.randn(2, 1, 4))
    torch.testing.assert_close(weights, torch.full((2, 1, 4), 0.25))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_lifted(dtype):
    logits = torch.randn(1, 3, 5).to(dtype)
    weights = competitive_weights(logits)
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights, competitive_weights(logits.float()))


def test_an_unknown_eps_mode_is_refused():
    with pytest.raises(ValueError, match="eps_mode='after' is not one of"):
        competitive_weights(torch.zeros(1, 2, 3), eps_mode='after')


def test_frame_coordinates_are_patch_centres_row_by_row():
    xy = frame_coordinates((2, 4), torch.zeros((), dtype=F64))
    x = [-0.75, -0.25, 0.25, 0.75]
    expected = [[x[j], y] for y in (-0.5, 0.5) for j in range(4)]
    assert xy.dtype == F64
    assert xy.tolist() == expected


def one_patch(grid, y, x):
    """Return logits of two slots; the first sees one patch alone."""
    logits = torch.full((1, 2, *grid), -60.0, dtype=F64)
    logits[:, 1] = 0
    logits[0, 0, y, x] = 60
    return logits.flatten(2)


def test_geometry_of_one_patch():
    grid = (4, 5)
    geometry = slot_geometry(one_patch(grid, 1, 3), grid)
    expected = torch.tensor([0.4, -0.25, 0.05, 0.05], dtype=F64)
    torch.testing.assert_close(geometry[0, 0], expected, atol=1e-6, rtol=0)


def test_geometry_of_two_patches():
    grid = (4, 5)
    logits = torch.full((1, 2, *grid), -60.0, dtype=F64)
    logits[:, 1] = 0
    logits[0, 0, 0, 1] = logits[0, 0, 2, 4] = 60
    geometry = slot_geometry(logits.flatten(2), grid)
    # Centres x -0.4 and 0.8, y -0.75 and 0.25.
    expected = torch.tensor([0.2, -0.25, 0.6, 0.5], dtype=F64)
    torch.testing.assert_close(geometry[0, 0], expected, atol=1e-6, rtol=0)


def test_geometry_of_the_whole_frame():
    h, w = 6, 9
    geometry = slot_geometry(torch.zeros(1, 3, h * w, dtype=F64), (h, w))
    spread = [((1 - n**-2) / 3) ** 0.5 for n in (w, h)]
    expected = torch.tensor([0, 0, *spread], dtype=F64).expand(1, 3, 4)
    torch.testing.assert_close(geometry, expected)


def test_geometry_moves_with_the_attention():
    grid = (8, 10)
    logits = torch.full((1, 2, *grid), -60.0, dtype=F64)
    logits[:, 1] = 0
    logits[0, 0, 1:4, 2:5] = 60 + torch.rand(3, 3, dtype=F64)
    moved = logits.roll((3, 4), dims=(2, 3))
    before, after = (
        slot_geometry(maps.flatten(2), grid)[0, 0] for maps in (logits, moved)
    )
    step = torch.tensor([4 * 2 / 10, 3 * 2 / 8, 0, 0], dtype=F64)
    torch.testing.assert_close(after - before, step, atol=1e-6, rtol=0)


def test_geometry_is_clamped():
    grid = (4, 4)
    low = slot_geometry(one_patch(grid, 0, 0), grid, min_scale=0.3)
    torch.testing.assert_close(low[0, 0, 2:], torch.full((2,), 0.3).double())
    high = slot_geometry(torch.zeros(1, 1, 16), grid, max_scale=0.1)
    torch.testing.assert_close(high[0, 0, 2:], torch.full((2,), 0.1))


def test_geometry_is_differentiable():
    logits = torch.randn(1, 3, 6, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: slot_geometry(x, (2, 3)), logits)
    sharp = one_patch((2, 3), 0, 0).requires_grad_()
    slot_geometry(sharp, (2, 3)).sum().backward()
    assert torch.isfinite(sharp.grad).all()


def test_relative_coordinates_undo_position_and_scale():
    grid = (3, 4)
    geometry = torch.tensor([[[0.0, 0, 1, 1], [0.2, -0.4, 0.5, 2]]])
    where = relative_coordinates(geometry, grid)
    xy = frame_coordinates(grid, geometry)
    torch.testing.assert_close(where[0, 0], xy)
    back = where[0, 1] * geometry[0, 1, 2:] + geometry[0, 1, :2]
    torch.testing.assert_close(back, xy)
    assert where.shape == (1, 2, 12, 2)
