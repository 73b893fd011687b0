"""The blocked partition against the dense one, and the sampled estimate."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from slotkd.ops.log_partition import log_partition, row_blocks


def rows(tokens=23, seed=0):
    torch.manual_seed(seed)
    return torch.randn(2, 2, tokens, 5, dtype=torch.float64).unbind(0)


@pytest.mark.parametrize('block', [1, 7, 23, 100])
@pytest.mark.parametrize('exclude_self', [False, True])
def test_blocked_equals_dense(exclude_self, block):
    results = []
    for form in ('dense', 'blocked'):
        queries, keys = (x.requires_grad_() for x in rows())
        value = log_partition(
            queries,
            keys,
            0.1,
            exclude_self=exclude_self,
            form=form,
            block=block,
        )
        weights = torch.arange(46).view_as(value)
        grads = torch.autograd.grad((value * weights).sum(), (queries, keys))
        results.append((value.detach(), *grads))
    for dense, blocked in zip(*results, strict=True):
        assert (blocked - dense).abs().max() <= 1e-12 * dense.abs().max()


def test_queries_that_are_also_the_keys_get_both_gradients():
    grads = []
    for form in ('dense', 'blocked'):
        both = rows()[0].clone().requires_grad_()
        value = log_partition(
            both, both, 0.5, exclude_self=True, form=form, block=4
        )
        grads.append(*torch.autograd.grad(value.square().sum(), both))
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-12, atol=1e-12)


def test_detached_keys_need_no_gradient():
    queries, keys = rows()
    queries.requires_grad_()
    log_partition(queries, keys, 0.5, block=4).sum().backward()
    assert queries.grad.abs().sum() > 0
    assert keys.grad is None


def test_gradcheck():
    queries, keys = (x[:, :6].clone().requires_grad_() for x in rows())
    assert torch.autograd.gradcheck(
        lambda q, k: log_partition(q, k, 0.3, exclude_self=True, block=4),
        (queries, keys),
    )


def test_self_is_left_out():
    keys = torch.eye(4)[None]
    full = log_partition(keys, keys, 1.0)
    others = log_partition(keys, keys, 1.0, exclude_self=True)
    torch.testing.assert_close(full.exp() - others.exp(), torch.e + 0 * full)
    torch.testing.assert_close(others.exp(), 3 + 0 * full)


class LargestTensor(TorchDispatchMode):
    """Records the elements of the largest tensor that any op makes."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.largest = max(self.largest, result.numel())
        return result


@pytest.mark.parametrize('exclude_self', [False, True])
def test_blocked_never_holds_all_pairs(exclude_self):
    queries, keys = (x.requires_grad_() for x in rows(tokens=200))
    with LargestTensor() as made:
        log_partition(
            queries, keys, 0.1, exclude_self=exclude_self, block=8
        ).sum().backward()
    assert made.largest <= 2 * 8 * 200
    with LargestTensor() as made:
        log_partition(queries, keys, 0.1, form='dense').sum().backward()
    assert made.largest == 2 * 200 * 200


@pytest.mark.parametrize('exclude_self', [False, True])
def test_sampling_all_keys_is_exact_and_some_is_near(exclude_self):
    queries, keys = rows(tokens=200)
    options = dict(exclude_self=exclude_self)
    exact = log_partition(queries, keys, 1.0, **options)
    every = log_partition(
        queries, keys, 1.0, form='sampled', num_keys=200, **options
    )
    torch.testing.assert_close(every, exact)
    draws = [
        log_partition(
            queries, keys, 1.0, form='sampled', num_keys=50, **options
        ).exp()
        for _ in range(200)
    ]
    mean = torch.stack(draws).mean(0)  # the sum itself is unbiased
    assert (mean / exact.exp() - 1).abs().mean() < 0.1


def test_row_blocks_cover_all_rows_once():
    blocks = row_blocks(10, 4)
    assert [list(range(10))[b] for b in blocks] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]


def test_unknown_form():
    queries, keys = rows()
    with pytest.raises(ValueError, match="form='full'"):
        log_partition(queries, keys, 0.1, form='full')
