"""What is lifted to fp32 and what is left alone."""

import pytest
import torch

from slotkd.models.losses.query_contrast import query_contrast_loss
from slotkd.ops.color import rgb_to_lab
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.query_matching import matching_cost, tube_iou
from slotkd.ops.similarity import linear_cka


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_lifted_without_loss(dtype):
    values = torch.randn(5).to(dtype).requires_grad_()
    lifted = at_least_fp32(values)
    assert lifted.dtype == torch.float32
    assert torch.equal(lifted.to(dtype), values)
    lifted.square().sum().backward()
    assert values.grad.dtype == dtype
    torch.testing.assert_close(values.grad, 2 * values.detach())


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_full_precision_is_left_as_it_is(dtype):
    values = torch.randn(5, dtype=dtype)
    assert at_least_fp32(values) is values


def test_large_half_values_survive_a_square():
    values = torch.tensor([1000.0], dtype=torch.float16)
    assert torch.isinf(values.square())
    assert float(at_least_fp32(values).square()) == 1e6


def tubes():
    masks = torch.zeros(1, 2, 3, 20, 20, dtype=torch.bool)
    masks[:, :, :, :17, :19] = True
    masks[:, 1, 1:] = False
    return masks


FULL_PRECISION = {
    'biased CKA of few columns': lambda: linear_cka(
        torch.rand(1, 40, 6).softmax(2), torch.rand(1, 40, 6).softmax(2)
    ),
    'biased CKA': lambda: linear_cka(
        torch.rand(1, 12, 40).softmax(2), torch.rand(1, 12, 40).softmax(2)
    ),
    'unbiased CKA': lambda: linear_cka(
        torch.rand(1, 12, 40), torch.rand(1, 12, 40), estimator='unbiased'
    ),
    'tube IoU': lambda: tube_iou(tubes(), tubes()),
    'matching cost': lambda: matching_cost(
        torch.randn(1, 3, 4),
        9 * torch.randn(1, 3, 500),
        torch.tensor([[0, 2]]),
        torch.rand(1, 2, 500),
    ),
    'query contrast': lambda: query_contrast_loss(
        12 * torch.randn(2, 3, 4, 8),
        torch.tensor([[[0, 1], [1, 2], [3, -1]]] * 2),
        num_unmatched=1,
    ),
    'Lab': lambda: rgb_to_lab(torch.rand(1, 3, 4, 4)),
}


@pytest.mark.parametrize('name', FULL_PRECISION)
def test_autocast_does_not_change(name):
    torch.manual_seed(3)
    plain = FULL_PRECISION[name]()
    torch.manual_seed(3)
    with torch.autocast('cpu', torch.bfloat16):
        cast = FULL_PRECISION[name]()
    assert cast.dtype == torch.float32
    torch.testing.assert_close(cast, plain, rtol=0, atol=0)
