"""The short-term read: a window of the frame before, perhaps displaced."""

import torch

from slotkd.models.propagation import GdpmOptions, WindowRead
from slotkd.ops.local_attention import local_attention
from slotkd.structures import MemoryFrames

GRID = (7, 9)


def frame(batch=2):
    generator = torch.Generator().manual_seed(0)
    key = torch.randn(batch, 1, 8, *GRID, generator=generator)
    value = torch.randn(batch, 1, 6, *GRID, generator=generator)
    return MemoryFrames(key=key, value=value)


def query(batch=2):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 8, *GRID, generator=generator)


def reader(radius=2, **options):
    torch.manual_seed(0)
    return WindowRead(8, GdpmOptions(**options), radius=radius)


def test_reads_the_window_with_the_bias_of_the_query():
    read = reader()
    memory = frame()
    expected = local_attention(
        query(), memory.key[:, 0], memory.value[:, 0], read.bias(query())
    )
    torch.testing.assert_close(read(query(), memory), expected.flatten(2).mT)
    assert read.offsets is None


def test_a_new_displacement_changes_nothing():
    still, moving = reader(), reader(where='short')
    moving.bias.load_state_dict(still.bias.state_dict())
    torch.testing.assert_close(
        moving(query(), frame()), still(query(), frame())
    )


def test_a_displacement_moves_the_window_and_learns():
    read = reader(where='both', stride=2)
    before = read(query(), frame())
    torch.nn.init.normal_(read.offsets.proj.weight)
    after = read(query(), frame())
    assert not torch.allclose(before, after)
    after.square().sum().backward()
    for weight in read.offsets.parameters():
        assert weight.grad.abs().sum() > 0


def test_far_cells_are_not_read():
    read = reader(radius=1)
    memory = frame()
    key, value = memory.key.clone(), memory.value.clone()
    key[..., -1, -1] += 5
    value[..., -1, -1] += 5
    other = read(query(), MemoryFrames(key=key, value=value))
    same = (other == read(query(), memory)).all(dim=2).view(2, *GRID)
    assert same[:, :-2].all() and same[:, :, :-2].all()
    assert not same[:, -2:, -2:].any()
