"""What is lifted to fp32 and what is left alone."""

import pytest
import torch

from slotkd.ops.precision import at_least_fp32


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
