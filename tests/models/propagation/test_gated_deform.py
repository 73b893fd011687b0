"""One layer of gated propagation against its definition."""

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.propagation import GatedDeformLayer, GdpmOptions, attend
from slotkd.models.propagation.gated_output import to_map
from slotkd.ops.local_attention import local_attention

GRID = (3, 4)
D = 16


def layer(is_first=True, **options):
    torch.manual_seed(0)
    made = GatedDeformLayer(
        D, is_first=is_first, options=GdpmOptions(**options), radius=1
    )
    return made.eval()


def tokens(seed=1, batch=2):
    torch.manual_seed(seed)
    return torch.randn(batch, 12, D)


def plain(**changes):
    return dict(stride=1, range_cells=0) | changes


@pytest.mark.parametrize('is_first', [True, False])
def test_equals_the_definition(is_first):
    """Steps 1 to 6 of the specification's table, written out."""
    gpm = layer(is_first, **plain())
    x, past = tokens(1), tokens(2)
    y = None if is_first else tokens(3)
    y_past = None if is_first else tokens(4)
    ids = tokens(5)
    before = gpm.project(past, y_past, GRID)
    memory = gpm.remember(before, ids)

    def project(stream, other):
        xn = gpm.norm(stream)
        qv = gpm.query_value(xn)
        gate = [F.silu(gpm.gate(xn)), torch.ones(2, 12, 2 * D)]
        if other is not None:
            gate[1] = F.silu(gpm.identity_gate(gpm.identity_norm(other)))
        return qv[..., : D // 2], F.silu(qv[..., D // 2 :]), torch.cat(gate, 2)

    key, value, _ = project(past, y_past)
    seen = ids
    if y_past is not None:
        seen = torch.cat([gpm.identity_norm(y_past), ids], 2)
    identity = F.silu(gpm.identity_value(seen))
    both = torch.cat([value, identity], 2)
    query, _, gate = project(x, y)
    attn = (query @ key.mT / (D // 2) ** 0.5).softmax(2)
    long = gpm.long_out(attn @ both, gate, GRID)
    window = local_attention(
        to_map(query, GRID),
        to_map(key, GRID),
        to_map(both, GRID),
        gpm.short_read.bias(to_map(query, GRID)),
    )
    short = gpm.short_out(window.flatten(2).mT, gate, GRID)
    first_x = x + long[..., :D] + short[..., :D]
    first_y = long[..., D:] + short[..., D:]
    if y is not None:
        first_y = first_y + y
    expected = gpm.self_propagation(first_x, first_y, GRID)

    frame = gpm.project(x, y, GRID)
    got, reading = gpm(
        (x, y), frame, long=memory, short=memory, ages=torch.tensor([1])
    )
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(reading.attn[:, :, 0], attn)


def test_widths():
    gpm = layer()
    memory = gpm.remember(gpm.project(tokens(), None, GRID), tokens(2))
    assert memory.key.shape == (2, 1, D // 2, *GRID)
    assert memory.value.shape == (2, 1, 4 * D, *GRID)


def test_a_stored_frame_owns_its_memory_only():
    """Or every stored key would keep the whole projection alive."""
    gpm = layer()
    memory = gpm.remember(gpm.project(tokens(), None, GRID), tokens(2))
    for part in (memory.key, memory.value):
        assert part.untyped_storage().nbytes() == part.numel() * 4


def test_a_frozen_bank_stores_samples():
    gpm = layer(bank='frozen', stride=2)
    frame = gpm.project(tokens(), None, GRID)
    memory = gpm.remember(frame, tokens(2))
    stored = gpm.store(frame, memory)
    assert stored.key.shape == (2, 1, D // 2, 2, 2)
    assert stored.points.shape == (2, 1, 1, 4, 2)
    assert layer(stride=2).store(frame, memory) is memory


def test_the_identity_value_does_not_steer_attention():
    gpm = layer()
    frame = gpm.project(tokens(), None, GRID)
    readings = []
    for seed in (2, 3):
        memory = gpm.remember(frame, tokens(seed))
        _, reading = gpm(
            (tokens(), None),
            frame,
            long=memory,
            short=memory,
            ages=torch.tensor([1]),
        )
        readings.append(reading)
    assert torch.equal(readings[0].attn, readings[1].attn)
    assert not torch.equal(readings[0].value, readings[1].value)


def test_keys_divide_into_the_groups():
    with pytest.raises(ValueError, match='groups is 3, .* the 8 channels'):
        GatedDeformLayer(16, is_first=True, options=GdpmOptions(groups=3))


def test_attend_spans_all_frames_with_one_softmax():
    torch.manual_seed(0)
    query = torch.randn(1, 5, 4)
    key, value = torch.randn(1, 3, 4, 6), torch.randn(1, 3, 2, 6)
    read, attn = attend(query, key, value)
    torch.testing.assert_close(attn.sum(dim=(2, 3)), torch.ones(1, 5))
    flat_key = torch.cat(key[0].unbind(0), 1)
    flat_value = torch.cat(value[0].unbind(0), 1)
    weights = (query[0] @ flat_key / 2).softmax(1)
    torch.testing.assert_close(read[0], weights @ flat_value.T)
    torch.testing.assert_close(attn[0].flatten(1), weights)
