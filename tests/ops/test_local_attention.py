"""Windowed attention against a double loop, and its variants as twins."""

import pytest
import torch
from torch import nn

from slotkd.ops.deform_sample import deform_sample
from slotkd.ops.local_attention import (
    dense_attention,
    local_attention,
    shifted_attention,
    tiled_attention,
    window_radius,
)

MODULE = 'slotkd.ops.local_attention'


def made_up(grid=(5, 7), batch=2, radius=2, dtype=torch.double):
    generator = torch.Generator().manual_seed(0)
    window = (2 * radius + 1) ** 2
    return [
        torch.randn(batch, width, *grid, generator=generator).to(dtype)
        for width in (4, 4, 3, window)
    ]


def looped(queries, keys, values, bias, offsets=None):
    """One query and one point of its window at a time."""
    batch, _, h, w = queries.shape
    radius = window_radius(bias.shape[1])
    read = torch.zeros_like(values)
    for b in range(batch):
        for y in range(h):
            for x in range(w):
                logits, seen = [], []
                shift = (0, 0) if offsets is None else offsets[b, :, y, x]
                cx = min(max(x + float(shift[0]), 0), w - 1)
                cy = min(max(y + float(shift[1]), 0), h - 1)
                for place in range((2 * radius + 1) ** 2):
                    py = cy + place // (2 * radius + 1) - radius
                    px = cx + place % (2 * radius + 1) - radius
                    if not (-0.5 <= py < h - 0.5 and -0.5 <= px < w - 0.5):
                        continue
                    point = queries.new_tensor([[[[px, py]]]])
                    key = deform_sample(keys[b : b + 1], point)[0, :, 0]
                    seen.append(
                        deform_sample(values[b : b + 1], point)[0, :, 0]
                    )
                    product = queries[b, :, y, x] @ key / 2
                    logits.append(product + bias[b, place, y, x])
                weights = torch.stack(logits).softmax(0)
                read[b, :, y, x] = (weights[:, None] * torch.stack(seen)).sum(
                    0
                )
    return read


@pytest.mark.parametrize('attend', [dense_attention, tiled_attention])
@pytest.mark.parametrize('grid', [(5, 7), (9, 3), (1, 4)])
def test_reads_its_window(attend, grid):
    given = made_up(grid)
    torch.testing.assert_close(attend(*given), looped(*given))


@pytest.mark.parametrize('tile', [1, 3, 4, 16])
def test_tiles_change_nothing(tile):
    given = made_up((10, 11), radius=1)
    torch.testing.assert_close(
        tiled_attention(*given, tile), dense_attention(*given)
    )


@pytest.mark.parametrize('limit', [35, 34])
def test_large_maps_are_read_tile_by_tile(limit, monkeypatch):
    calls = []
    monkeypatch.setattr(f'{MODULE}.MAX_DENSE_CELLS', limit)
    for attend in (dense_attention, tiled_attention):

        def spy(*args, attend=attend):
            calls.append(attend)
            return attend(*args)

        monkeypatch.setattr(f'{MODULE}.{attend.__name__}', spy)
    given = made_up((5, 7))
    torch.testing.assert_close(local_attention(*given), looped(*given))
    assert calls == [dense_attention if limit == 35 else tiled_attention]


def test_a_window_over_everything_is_plain_attention():
    queries, keys, values, _ = made_up((4, 5))
    bias = torch.zeros(2, 9**2, 4, 5, dtype=torch.double)
    plain = nn.functional.scaled_dot_product_attention(
        queries.flatten(2).mT, keys.flatten(2).mT, values.flatten(2).mT
    )
    torch.testing.assert_close(
        local_attention(queries, keys, values, bias).flatten(2).mT, plain
    )


@pytest.mark.parametrize('scale', [0, 0.7, 4, 100])
def test_shifted_windows_read_between_cells(scale):
    given = made_up((5, 6))
    generator = torch.Generator().manual_seed(1)
    offsets = torch.randn(2, 2, 5, 6, generator=generator).double() * scale
    expected = looped(*given, offsets)
    torch.testing.assert_close(shifted_attention(*given, offsets), expected)


def test_without_shift_both_are_one():
    given = made_up((9, 8), radius=3)
    still = torch.zeros(2, 2, 9, 8, dtype=torch.double)
    torch.testing.assert_close(
        shifted_attention(*given, still), local_attention(*given)
    )


def test_a_shift_by_whole_cells_undoes_that_of_the_memory():
    queries, keys, values, bias = made_up((12, 12), radius=2)
    moved = [m.roll((1, -2), dims=(2, 3)) for m in (keys, values)]
    offsets = torch.tensor([-2.0, 1.0]).double().view(1, 2, 1, 1)
    read = shifted_attention(
        queries, *moved, bias, offsets.expand(2, 2, 12, 12)
    )
    still = local_attention(queries, keys, values, bias)
    inside = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(read[inside], still[inside])


@pytest.mark.parametrize('attend', [dense_attention, tiled_attention])
def test_gradients(attend):
    given = [m[:1, :, :3, :3].requires_grad_() for m in made_up(radius=1)]
    assert torch.autograd.gradcheck(attend, given)


def test_gradients_reach_the_shift():
    given = [m[:1, :, :3, :3].requires_grad_() for m in made_up(radius=1)]
    offsets = torch.rand(1, 2, 3, 3).double() * 0.6 + 0.2
    offsets = offsets.where(torch.rand(1, 2, 3, 3) < 0.5, -offsets)
    # On the map, where a window's centre follows its offset.
    offsets[..., 0], offsets[..., -1] = 0.3, -0.3
    offsets[..., 0, :], offsets[..., -1, :] = 0.4, -0.4
    offsets.requires_grad_()
    assert torch.autograd.gradcheck(shifted_attention, (*given, offsets))


def test_softmax_is_taken_in_fp32():
    given = made_up((30, 31), batch=1, radius=7, dtype=torch.bfloat16)
    read = local_attention(*given)
    assert read.dtype == torch.bfloat16
    exact = local_attention(*(m.double() for m in given))
    torch.testing.assert_close(read.double(), exact, rtol=0.02, atol=0.02)


def test_a_window_is_an_odd_square():
    with pytest.raises(ValueError, match='got a bias of 16'):
        window_radius(16)
    assert window_radius(225) == 7
