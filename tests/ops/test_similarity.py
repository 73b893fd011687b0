"""Cosine, Pearson and CKA: references, invariances and measured traps."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from slotkd.ops.similarity import (
    guarded_cosine,
    linear_cka,
    pearson_correlation,
    unit_vectors,
    varies,
)

F64 = torch.float64
BOTH = pytest.mark.parametrize('estimator', ['biased', 'unbiased'])


def maps(rows, keys, seed, spread=2.0):
    """Return independent attention maps: softmax of normal logits."""
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(rows, keys, generator=generator)
    return logits.softmax(dim=-1)


def peaks(cells, sigma, *, shift=0, every=1):
    """Return Gaussian attention on a grid, row-normalised, without wrap."""
    y, x = torch.meshgrid(
        torch.arange(cells, dtype=F64),
        torch.arange(cells, dtype=F64),
        indexing='ij',
    )
    place = torch.stack([y.flatten(), x.flatten()], dim=-1)
    keys = place.view(cells, cells, 2)[::every, ::every].reshape(-1, 2)
    centre = place + torch.tensor([0, shift], dtype=F64)
    squared = torch.cdist(centre, keys) ** 2
    return (-squared / (2 * sigma**2)).softmax(dim=-1)


def naive_cka(x, y, estimator):
    """The formulas of the literature, element by element."""
    n = len(x)
    if estimator == 'biased':
        x, y = (v - v.mean(0) for v in (x, y))
        own = [(v.T @ v).pow(2).sum().sqrt() for v in (x, y)]
        return (x.T @ y).pow(2).sum() / (own[0] * own[1])

    def hsic(k, m):
        k, m = k.clone(), m.clone()
        k.fill_diagonal_(0)
        m.fill_diagonal_(0)
        total = (k * m).sum()
        total += k.sum() * m.sum() / ((n - 1) * (n - 2))
        total -= 2 / (n - 2) * (k.sum(0) * m.sum(0)).sum()
        return total / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / (hsic(k, k) * hsic(m, m)).sqrt()


def test_cosine_equals_torch_and_survives_tiny_and_zero_vectors():
    x, y = torch.randn(2, 3, 5, 7, dtype=F64)
    expected = F.cosine_similarity(x, y, dim=1)
    torch.testing.assert_close(guarded_cosine(x, y, dim=1), expected)
    tiny = (1e-25 * x.float()).requires_grad_()
    torch.testing.assert_close(
        guarded_cosine(tiny, y.float(), dim=1), expected.float()
    )
    zero = torch.zeros_like(x, requires_grad=True)
    guarded_cosine(zero, y, dim=1).sum().backward()
    assert zero.grad.isfinite().all()


def test_unit_vectors_survive_tiny_and_zero_ones():
    vectors = torch.tensor([[3.0, 4], [3e-30, 4e-30], [0, 0]])
    vectors.requires_grad_()
    units = unit_vectors(vectors, 1)
    expected = torch.tensor([[0.6, 0.8], [0.6, 0.8], [0, 0]])
    torch.testing.assert_close(units, expected)
    units[[0, 2], 0].sum().backward()
    assert vectors.grad.isfinite().all()
    assert vectors.grad[2].abs().max() <= 1


def test_pearson_equals_numpy_and_ignores_positive_affine_changes():
    x, y = torch.randn(2, 4, 50, dtype=F64)
    value = pearson_correlation(x, y)
    for row in range(4):
        expected = np.corrcoef(x[row], y[row])[0, 1]
        assert float(value[row]) == pytest.approx(expected)
    torch.testing.assert_close(pearson_correlation(3 * x + 2, y - 7), value)
    torch.testing.assert_close(pearson_correlation(-x, y), -value)
    torch.testing.assert_close(pearson_correlation(x.T, y.T, dim=0), value)


def test_pearson_counts_what_the_mask_leaves():
    x, y = torch.randn(2, 4, 50, dtype=F64)
    mask = torch.arange(50) < 30
    expected = pearson_correlation(x[:, :30], y[:, :30])
    x[:, 30:] = math.nan
    x.requires_grad_()
    value = pearson_correlation(x, y, mask=mask)
    torch.testing.assert_close(value, expected)
    value.sum().backward()
    assert x.grad[:, :30].all() and not x.grad[:, 30:].any()
    nothing = pearson_correlation(x, y, mask=torch.zeros(50).bool())
    assert not nothing.any()


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_a_constant_has_no_correlation_and_a_finite_gradient(dtype):
    constant = torch.full((2, 300), 0.1, dtype=dtype, requires_grad=True)
    y = torch.randn(2, 300).to(dtype).requires_grad_()
    value = pearson_correlation(constant, y)
    assert value.tolist() == [0, 0]
    value.sum().backward()
    assert constant.grad.isfinite().all() and y.grad.isfinite().all()
    assert varies(constant).tolist() == [False, False]
    assert varies(y).tolist() == [True, True]
    mask = torch.arange(300) < 1
    assert varies(y, mask=mask).tolist() == [False, False]


@BOTH
def test_cka_equals_the_formula(estimator):
    x, y = torch.rand(2, 12, 9, dtype=F64)
    wide = torch.rand(12, 30, dtype=F64)
    for a, b in ((x, y), (x, wide), (wide, wide**2)):
        value = linear_cka(a[None], b[None], estimator=estimator)
        torch.testing.assert_close(value[0], naive_cka(a, b, estimator))


def test_few_columns_and_tables_give_the_same():
    x, y = torch.rand(2, 3, 12, 9, dtype=F64)
    padded = F.pad(x, (0, 20))  # as many columns as take the other way
    torch.testing.assert_close(linear_cka(padded, y), linear_cka(x, y))


@BOTH
def test_cka_is_one_for_the_same_map(estimator):
    x = maps(200, 300, 0)
    order = torch.randperm(300)
    for other in (x, x[:, order], 1e-6 * x, torch.cat([x, x], dim=1)):
        value = linear_cka(x, other, estimator=estimator)
        assert float(value) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ('rows', 'keys', 'low', 'high'),
    [
        (900, (900, 900), 0.27, 0.29),
        (900, (900, 225), 0.19, 0.24),
        (225, (2700, 225), 0.23, 0.46),
    ],
)
def test_only_the_unbiased_estimator_calls_chance_zero(rows, keys, low, high):
    """Published in the specification: 0.286, 0.240 and 0.409 against 0."""
    for seed in range(2):
        x, y = maps(rows, keys[0], seed), maps(rows, keys[1], 100 + seed)
        assert low - 0.02 < float(linear_cka(x, y)) < high + 0.02
        unbiased = linear_cka(x, y, estimator='unbiased')
        assert abs(float(unbiased)) < 0.02


@pytest.mark.parametrize(
    ('shift', 'biased', 'unbiased'),
    [(1, 0.98, 0.98), (3, 0.85, 0.84), (8, 0.59, 0.57)],
)
def test_cka_tolerates_a_shift(shift, biased, unbiased):
    """It does not anchor where attention looks; other terms must."""
    x, y = peaks(30, 1), peaks(30, 1, shift=shift)
    assert float(linear_cka(x, y)) == pytest.approx(biased, abs=0.01)
    value = linear_cka(x, y, estimator='unbiased')
    assert float(value) == pytest.approx(unbiased, abs=0.01)


@pytest.mark.parametrize(
    ('sigma', 'value'), [(1.5, 0.93), (2, 0.81), (4, 0.50), (8, 0.30)]
)
def test_cka_falls_with_blur(sigma, value):
    cka = linear_cka(peaks(30, 1), peaks(30, sigma))
    assert float(cka) == pytest.approx(value, abs=0.01)


def test_cka_hardly_sees_that_keys_are_left_out():
    cka = linear_cka(peaks(30, 1), peaks(30, 1, every=2))
    assert float(cka) == pytest.approx(0.978, abs=0.001)


@BOTH
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_a_uniform_map_gives_zero_and_a_finite_gradient(estimator, dtype):
    logits = torch.zeros(2, 30, 50, dtype=dtype, requires_grad=True)
    y = maps(30, 50, 0).expand(2, -1, -1).to(dtype)
    value = linear_cka(logits.softmax(-1), y, estimator=estimator)
    assert value.tolist() == [0, 0]
    value.sum().backward()
    assert logits.grad.isfinite().all()


@BOTH
def test_gradient_is_right(estimator):
    x, y = torch.rand(2, 6, 4, dtype=F64)
    wide = torch.rand(6, 8, dtype=F64)
    for other in (y, wide):
        torch.autograd.gradcheck(
            lambda v, other=other: linear_cka(v, other, estimator=estimator),
            x.requires_grad_(),
        )


def test_cka_of_batches_is_that_of_each():
    x, y = torch.rand(2, 2, 3, 8, 5, dtype=F64)
    for estimator in ('biased', 'unbiased'):
        value = linear_cka(x, y, estimator=estimator)
        for i, j in itertools.product(range(2), range(3)):
            one = linear_cka(x[i, j], y[i, j], estimator=estimator)
            torch.testing.assert_close(value[i, j], one)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='at least 2 rows, got 1'):
        linear_cka(torch.rand(1, 4), torch.rand(1, 4))
    with pytest.raises(ValueError, match='at least 4 rows, got 3'):
        linear_cka(torch.rand(3, 4), torch.rand(3, 4), estimator='unbiased')
    with pytest.raises(ValueError, match="estimator='exact' is not one of"):
        linear_cka(torch.rand(3, 4), torch.rand(3, 4), estimator='exact')
