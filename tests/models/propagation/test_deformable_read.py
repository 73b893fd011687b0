"""The long-term read: plain attention where nothing moves, else displaced."""

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.propagation import DeformableRead, GdpmOptions, attend
from slotkd.structures import MemoryFrames

GRID = (5, 7)
E, C = 8, 12


def memory(frames=2, grid=GRID, dtype=torch.float, batch=2):
    generator = torch.Generator().manual_seed(0)
    key = torch.randn(batch, frames, E, *grid, generator=generator)
    value = torch.randn(batch, frames, C, *grid, generator=generator)
    return MemoryFrames(key=key.to(dtype), value=value.to(dtype))


def query(grid=GRID, dtype=torch.float, batch=2):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, E, *grid, generator=generator).to(dtype)


def reader(scale=0.0, **options):
    torch.manual_seed(0)
    read = DeformableRead(E, GdpmOptions(**options))
    if scale:
        torch.nn.init.normal_(read.offsets.proj.weight, std=scale)
    return read


def ages(frames=2):
    return torch.arange(frames, 0, -1)


def plain(q, mem):
    keys = mem.key.flatten(3).movedim(1, 2).flatten(2)
    values = mem.value.flatten(3).movedim(1, 2).flatten(2)
    return F.scaled_dot_product_attention(q.flatten(2).mT, keys.mT, values.mT)


@pytest.mark.parametrize('cond', ['query_key', 'query', 'query_dt'])
def test_zero_offsets_at_stride_1_are_plain_attention(cond):
    read = reader(stride=1, offset_cond=cond)
    reading = read(query(), memory(), ages())
    torch.testing.assert_close(
        reading.value, plain(query(), memory()), atol=1e-4, rtol=0
    )


def test_so_they_are_in_double_precision():
    read = reader(stride=1).double()
    given = query(dtype=torch.double), memory(dtype=torch.double)
    reading = read(*given, ages())
    torch.testing.assert_close(
        reading.value, plain(*given), atol=1e-13, rtol=0
    )


def test_no_range_has_no_offset_network():
    read = reader(stride=1, range_cells=0)
    assert read.offsets is None
    torch.testing.assert_close(
        read(query(), memory(), ages()).value, plain(query(), memory())
    )


@pytest.mark.parametrize('grid', [(5, 7), (6, 9), (1, 3)])
@pytest.mark.parametrize('stride', [1, 2, 4])
def test_samples_of_odd_sizes(grid, stride):
    read = reader(0.5 if stride > 1 else 0.0, stride=stride)
    reading = read(query(grid), memory(3, grid), ages(3))
    h, w = grid
    count = -(-h // stride) * -(-w // stride)
    assert reading.attn.shape == (2, h * w, 3, count)
    assert reading.positions.shape == (2, 3, count, 2)
    torch.testing.assert_close(
        reading.attn.sum(dim=(2, 3)), torch.ones(2, h * w)
    )


def test_memory_and_offsets_shifted_by_whole_cells_read_the_same(monkeypatch):
    grid = (12, 12)
    read = reader(stride=1)
    mem = memory(grid=grid)
    still = read.sample(query(grid), mem, ages())
    moved = MemoryFrames(
        key=mem.key.roll((1, -2), dims=(3, 4)),
        value=mem.value.roll((1, -2), dims=(3, 4)),
    )
    shift = torch.tensor([-2.0, 1.0]).expand(2, 2, 1, 144, 2)
    monkeypatch.setattr(read.offsets, 'forward', lambda *args: shift)
    shifted = read.sample(query(grid), moved, ages())
    # Outside, two columns and a row see the border.
    inside = (..., slice(None, 11), slice(2, None))
    for name in ('key', 'value'):
        torch.testing.assert_close(
            getattr(shifted, name)[inside],
            getattr(still, name)[inside],
            atol=1e-5,
            rtol=1e-5,
        )


def test_offsets_move_positions_by_at_most_the_range():
    read = reader(100.0, stride=2, range_cells=3)
    fixed = reader(stride=2)(query(), memory(), ages())
    moved = read(query(), memory(), ages())
    half = torch.tensor([6.0, 4.0]) / 2
    way = (moved.positions - fixed.positions) * half
    assert way.abs().max() <= 3 + 1e-5
    assert way.abs().max() > 2.9


def test_gradient_reaches_the_offset_network():
    read = reader(0.1, stride=2)
    read(query(), memory(), ages()).value.square().sum().backward()
    for weight in read.offsets.parameters():
        assert weight.grad.abs().sum() > 0


def test_groups_read_at_places_of_their_own():
    """With g groups, g fields: each for its share of all channels."""
    read = reader(0.5, stride=2, groups=2)
    q, mem = query(), memory()
    sampled = read.sample(q, mem, ages())
    moves = read.offsets(q, mem.key, ages())
    assert not torch.allclose(moves[:, :, 0], moves[:, :, 1])
    for group in range(2):
        single = reader(stride=2)
        single.offsets.forward = lambda *_, g=group: moves[:, :, g : g + 1]
        alone = single.sample(q, mem, ages())
        channels = slice(group * E // 2, (group + 1) * E // 2)
        torch.testing.assert_close(
            sampled.key[:, :, channels], alone.key[:, :, channels]
        )
        # Both halves of the value: its looks and its identity.
        for start in (0, C // 2):
            channels = slice(
                start + group * C // 4, start + (group + 1) * C // 4
            )
            torch.testing.assert_close(
                sampled.value[:, :, channels], alone.value[:, :, channels]
            )
    reading = read(q, mem, ages())
    assert reading.positions.shape == (2, 2, 12, 2)


def test_displacements_carry_over_and_are_clamped():
    read = reader(100.0, stride=2, range_cells=4, carry=1.0)
    mem = memory()
    first = read(query(), mem, ages())
    moves = read.offsets(query(), mem.key, ages())
    torch.testing.assert_close(first.memory.drift, moves)
    second = read(query(), first.memory, ages())
    expected = (moves + moves).clamp(-8, 8)
    torch.testing.assert_close(second.memory.drift, expected)
    third = read(query(), second.memory, ages())
    assert third.memory.drift.abs().max() == 8
    half = reader(100.0, stride=2, range_cells=4, carry=0.5)
    torch.testing.assert_close(
        half(query(), first.memory, ages()).memory.drift, 1.5 * moves
    )


def test_without_carry_nothing_is_kept():
    read = reader(0.5, stride=2)
    assert read(query(), memory(), ages()).memory.drift is None


def test_a_bias_of_position_shifts_attention():
    read = reader(stride=2, pos_bias='log_cpb')
    before = read(query(), memory(), ages())
    torch.nn.init.normal_(read.bias.proj.weight)
    after = read(query(), memory(), ages())
    assert not torch.allclose(before.attn, after.attn)
    after.value.sum().backward()
    assert read.bias.hidden.weight.grad.abs().sum() > 0


def test_frozen_samples_are_read_as_they_are():
    read = reader(0.5, stride=2, bank='frozen')
    one = memory(1)
    stored = read.sample(query(), one, torch.zeros(1).long())
    assert stored.key.shape == (2, 1, E, 3, 4)
    reading = read(query(batch=2).flip(0), stored, torch.tensor([7]))
    value, _ = attend(
        query().flip(0).flatten(2).mT,
        stored.key.flatten(3),
        stored.value.flatten(3),
    )
    torch.testing.assert_close(reading.value, value)
    assert torch.equal(reading.memory.points, stored.points)


def test_softmax_is_in_fp32_under_autocast():
    read = reader(0.1, stride=2)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        reading = read(query(), memory(), ages())
    assert reading.attn.dtype == reading.positions.dtype == torch.float32
    exact = read(query(), memory(), ages())
    torch.testing.assert_close(reading.attn, exact.attn, atol=0.02, rtol=0.1)
