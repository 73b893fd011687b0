"""Apply image modules to video: fold time into the batch, or scan over it."""

from collections.abc import Callable

import torch
from torch import Tensor


def chunked(
    function: Callable[..., tuple[Tensor, ...]],
    *args: Tensor,
    size: int | None,
) -> tuple[Tensor, ...]:
    """Call a function on slices of the batch and join what it returns.

    Args:
        function: Takes tensors with a common first axis and returns a tuple
            of such tensors.
        args: The tensors to slice.
        size: Longest slice; None calls the function once.
    """
    total = len(args[0])
    if size is None or size >= total:
        return function(*args)
    parts = [
        function(*(arg[start : start + size] for arg in args))
        for start in range(0, total, size)
    ]
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))
