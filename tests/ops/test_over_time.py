"""Chunks of the batch: same values, fewer rows at once."""

import pytest
import torch

from slotkd.ops.over_time import chunked


class Recorder:
    """Two results of two inputs; remembers the length of each call."""

    def __init__(self) -> None:
        self.lengths = []

    def __call__(self, a, b):
        self.lengths.append(len(a))
        return a + b, (a * b).sum(dim=1)


@pytest.mark.parametrize(
    ('size', 'lengths'),
    [
        (None, [7]),
        (7, [7]),
        (100, [7]),
        (3, [3, 3, 1]),
        (1, [1] * 7),
    ],
)
def test_chunks_change_nothing_but_the_calls(size, lengths):
    a, b = torch.randn(2, 7, 4)
    record = Recorder()
    results = chunked(record, a, b, size=size)
    assert record.lengths == lengths
    assert isinstance(results, tuple)
    expected = (a + b, (a * b).sum(dim=1))
    torch.testing.assert_close(results, expected, rtol=0, atol=0)


def test_gradients_pass_through_chunks():
    a, b = torch.randn(2, 5, 3, dtype=torch.float64).requires_grad_()
    grads = [
        torch.autograd.grad(
            sum(r.square().sum() for r in chunked(Recorder(), a, b, size=n)),
            [a, b],
        )
        for n in (None, 2)
    ]
    torch.testing.assert_close(grads[0], grads[1])


def test_an_empty_batch_is_one_call():
    record = Recorder()
    total, product = chunked(
        record, torch.zeros(0, 4), torch.zeros(0, 4), size=3
    )
    assert record.lengths == [0]
    assert total.shape == (0, 4) and product.shape == (0,)
