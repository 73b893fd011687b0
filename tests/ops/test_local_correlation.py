"""Local windows against loops over cells."""

from itertools import product

import pytest
import torch

from slotkd.ops.local_correlation import (
    coarse_rows,
    local_logits,
    pairs_pay,
    read_local,
    shifted_logits,
    shifted_read,
)

F64 = torch.float64


def test_logits_equal_a_loop():
    queries, keys = torch.randn(2, 2, 3, 4, 5, dtype=F64)
    radius = 2
    logits = local_logits(queries, keys, radius)
    assert logits.shape == (2, 25, 4, 5)
    for b, y, x in product(range(2), range(4), range(5)):
        for index, (dy, dx) in enumerate(
            product(range(-radius, radius + 1), repeat=2)
        ):
            value = logits[b, index, y, x]
            if 0 <= y + dy < 4 and 0 <= x + dx < 5:
                expected = queries[b, :, y, x] @ keys[b, :, y + dy, x + dx]
                torch.testing.assert_close(value, expected)
            else:
                assert value == -torch.inf


def test_reading_equals_a_full_attention_map():
    queries, keys = torch.randn(2, 2, 3, 4, 5, dtype=F64)
    values = torch.randn(2, 7, 4, 5, dtype=F64)
    attn = local_logits(queries, keys, 2).softmax(1)
    full = coarse_rows(attn, 1)
    torch.testing.assert_close(full.sum(2), torch.ones(2, 20, dtype=F64))
    expected = torch.einsum('bnm,bvm->bvn', full, values.flatten(2))
    torch.testing.assert_close(read_local(attn, values).flatten(2), expected)


@pytest.mark.parametrize('radius', [1, 2, 5])
def test_large_maps_are_read_by_shifting_with_the_same_result(radius):
    queries, keys = torch.randn(2, 2, 3, 4, 6, dtype=F64)
    values = torch.randn(2, 7, 4, 6, dtype=F64)
    logits = local_logits(queries, keys, radius)
    torch.testing.assert_close(shifted_logits(queries, keys, radius), logits)
    attn = logits.softmax(1)
    torch.testing.assert_close(
        shifted_read(attn, values), read_local(attn, values)
    )
    queries, keys = torch.randn(2, 1, 2, 64, 65)
    torch.testing.assert_close(
        local_logits(queries, keys, 1), shifted_logits(queries, keys, 1)
    )


@pytest.mark.parametrize(
    'cells, radius, pays',
    [(61 * 61, 12, True), (61 * 61, 3, False), (64 * 65, 12, False)],
)
def test_all_pairs_are_compared_where_that_is_faster(cells, radius, pays):
    assert pairs_pay(cells, (2 * radius + 1) ** 2) == pays


def test_a_window_over_the_whole_map_is_plain_attention():
    queries, keys = torch.randn(2, 1, 3, 3, 4, dtype=F64)
    attn = coarse_rows(local_logits(queries, keys, 3).softmax(1), 1)
    products = queries.flatten(2).mT @ keys.flatten(2)
    torch.testing.assert_close(attn, products.softmax(2))


def test_coarse_rows_keep_their_sum_and_their_place():
    queries, keys = torch.randn(2, 2, 3, 9, 13, dtype=F64)
    attn = local_logits(queries, keys, 3).softmax(1)
    rows = coarse_rows(attn, 4)
    assert rows.shape == (2, 12, 12)
    torch.testing.assert_close(rows.sum(2), torch.ones(2, 12, dtype=F64))
    fine = coarse_rows(attn, 1).unflatten(1, (9, 13))[:, ::4, ::4]
    fine = fine.flatten(1, 2).unflatten(2, (9, 13))
    y, x = torch.meshgrid(
        torch.arange(9, dtype=F64), torch.arange(13, dtype=F64), indexing='ij'
    )
    cy, cx = torch.meshgrid(
        4 * torch.arange(3, dtype=F64),
        4 * torch.arange(4, dtype=F64),
        indexing='ij',
    )
    for fine_place, coarse_place in ((y, cy), (x, cx)):
        torch.testing.assert_close(
            (rows * coarse_place.flatten()).sum(2),
            (fine * fine_place).sum(dim=(2, 3)),
        )


def test_gradients_are_right():
    queries, keys, values = torch.randn(3, 1, 2, 3, 3, dtype=F64)
    torch.autograd.gradcheck(
        lambda q, k, v: read_local(local_logits(q, k, 1).softmax(1), v),
        tuple(t.requires_grad_() for t in (queries, keys, values)),
    )
