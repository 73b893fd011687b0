"""Displacements are bounded, start at zero and see what they should."""

import pytest
import torch

from slotkd.models.propagation import OffsetNetwork

CONDS = ['query_key', 'query', 'query_dt']


def network(cond='query_key', stride=2, groups=1, range_cells=4, scale=0.5):
    torch.manual_seed(0)
    net = OffsetNetwork(
        8, stride=stride, range_cells=range_cells, groups=groups, cond=cond
    )
    torch.nn.init.normal_(net.proj.weight, std=scale)
    return net


def inputs(h=5, w=7, frames=3, batch=2):
    torch.manual_seed(1)
    query = torch.randn(batch, 8, h, w)
    key = torch.randn(batch, frames, 8, h, w)
    return query, key, torch.tensor([9, 4, 40][:frames])


@pytest.mark.parametrize('cond', CONDS)
@pytest.mark.parametrize('stride', [1, 2, 4])
def test_one_field_for_each_point(cond, stride):
    moves = network(cond, stride, groups=2)(*inputs())
    count = -(-5 // stride) * -(-7 // stride)
    assert moves.shape == (2, 3, 2, count, 2)


@pytest.mark.parametrize('range_cells', [2, 4, 8])
def test_displacements_are_bounded(range_cells):
    moves = network(range_cells=range_cells, scale=100)(*inputs())
    assert moves.abs().max() <= range_cells
    assert moves.abs().max() > 0.99 * range_cells


def test_a_new_network_moves_nothing():
    net = OffsetNetwork(8, stride=2, range_cells=4)
    assert net(*inputs()).abs().max() == 0


def test_what_each_condition_sees():
    query, key, ages = inputs()
    for cond in CONDS:
        net = network(cond)
        moves = net(query, key, ages)
        other_key = net(query, key.flip(1), ages)
        other_age = net(query, key, ages + 1)
        other_query = net(query.flip(0), key, ages)
        assert not torch.equal(moves, other_query)
        assert torch.equal(moves, other_key) == (cond != 'query_key')
        assert torch.equal(moves, other_age) == (cond != 'query_dt')
        shared = torch.equal(moves[:, 0], moves[:, 1])
        assert shared == (cond == 'query')


def test_ages_above_31_are_one():
    query, key, _ = inputs(frames=2)
    net = network('query_dt')
    moves = net(query, key, torch.tensor([31, 200]))
    torch.testing.assert_close(moves[:, 0], moves[:, 1])


def test_stays_in_fp32_under_autocast():
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert network()(*inputs()).dtype == torch.float32


def test_unknown_condition():
    with pytest.raises(ValueError, match="cond='time'"):
        network('time')
