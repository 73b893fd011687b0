"""Where half precision is not enough."""

import torch
from torch import Tensor


def at_least_fp32(values: Tensor) -> Tensor:
    """Lift half precision to fp32; leave fp32 and fp64 as they are.

    For softmaxes, cosines and everything under a root or a logarithm, which
    lose their meaning in fp16 under autocast.
    """
    if values.dtype in (torch.float32, torch.float64):
        return values
    return values.float()
