"""What was read is gated, mixed and projected; branches can be dropped."""

import torch

from slotkd.models.propagation.gated_output import (
    DropPath,
    GatedOutput,
    to_map,
)


def test_to_map_arranges_row_by_row():
    tokens = torch.arange(6.0).view(1, 6, 1)
    assert to_map(tokens, (2, 3)).tolist() == [[[[0, 1, 2], [3, 4, 5]]]]


def test_a_closed_gate_leaves_the_bias():
    out = GatedOutput(8, 4).eval()
    closed = out(torch.randn(2, 6, 8), torch.zeros(2, 6, 8), (2, 3))
    torch.testing.assert_close(closed, out.proj.bias.expand(2, 6, 4))


def test_mixing_stays_within_two_cells():
    out = GatedOutput(8, 4).eval()
    read = torch.randn(1, 49, 8)
    other = read.clone()
    other[:, 0] += 1
    gate = torch.ones_like(read)
    change = out(read, gate, (7, 7)) - out(other, gate, (7, 7))
    moved = to_map(change.abs(), (7, 7)).sum(1)[0] > 0
    assert moved[:3, :3].all() and not moved[3:].any()
    assert not moved[:, 3:].any()


def test_channels_are_dropped_in_training_only():
    out = GatedOutput(64, 64, dropout=0.5)
    torch.nn.init.eye_(out.proj.weight)
    torch.nn.init.ones_(out.conv.weight)
    read, gate = torch.ones(1, 9, 64), torch.ones(1, 9, 64)
    # Whole channels vanish.
    dropped = (out(read, gate, (3, 3)) - out.proj.bias).abs() < 1e-6
    assert 10 < dropped[0, 0].sum() < 54
    assert (dropped == dropped[:, :1]).all()
    out.eval()
    assert not ((out(read, gate, (3, 3)) - out.proj.bias).abs() < 1e-6).any()


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    branch = torch.ones(4000, 2, 3)
    drop = DropPath(0.25)
    kept = drop(branch)
    per_sample = kept.flatten(1)
    assert (per_sample == per_sample[:, :1]).all()
    assert abs(float(kept.mean()) - 1) < 0.03
    assert abs(float((kept == 0).float().mean()) - 0.25) < 0.03
    assert torch.equal(drop.eval()(branch), branch)
