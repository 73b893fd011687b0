"""Log-partition of all pairs of tokens, in memory linear in their number."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from slotkd.ops.choices import check_choice

FORMS = ('dense', 'blocked', 'sampled')


def log_partition(
    queries: Float[Tensor, 'G M D'],
    keys: Float[Tensor, 'G M D'],
    temperature: float,
    *,
    exclude_self: bool = False,
    form: str = 'blocked',
    block: int = 512,
    num_keys: int = 256,
) -> Float[Tensor, 'G M']:
    """Return ``logsumexp_j queries_i . keys_j / temperature``.

    Args:
        queries: One row for each token of a group.
        keys: The same tokens on the other side.
        temperature: Divides the products.
        exclude_self: Leave ``j = i`` out.
        form: ``dense`` holds the M x M matrix for the backward pass.
            ``blocked`` gives the same, but holds ``block`` rows at a time and
            computes them again in the backward pass. ``sampled`` sums over
            ``num_keys`` random keys of each group and scales the sum up.
        block: Rows at a time.
        num_keys: Keys to draw, at most M.
    """
    check_choice('form', form, FORMS)
    if form == 'blocked':
        return _BlockedLogSumExp.apply(
            queries, keys, temperature, exclude_self, block
        )
    if form == 'dense':
        rows = slice(None)
        logits = _logits(queries, keys, rows, temperature, exclude_self)
        return logits.logsumexp(dim=2)
    return _sampled(queries, keys, temperature, exclude_self, num_keys)


def row_blocks(num_rows: int, block: int) -> list[slice]:
    """Cut rows into slices of at most ``block``."""
    return [
        slice(start, min(start + block, num_rows))
        for start in range(0, num_rows, block)
    ]


class _BlockedLogSumExp(torch.autograd.Function):
    """Row blocks forward, and again backward from the saved sums."""

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        keys: Tensor,
        temperature: float,
        exclude_self: bool,
        block: int,
    ) -> Tensor:
        sums = [
            _logits(queries, keys, rows, temperature, exclude_self).logsumexp(
                dim=2
            )
            for rows in row_blocks(queries.shape[1], block)
        ]
        result = torch.cat(sums, dim=1)
        ctx.save_for_backward(queries, keys, result)
        ctx.settings = temperature, exclude_self, block
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, result = ctx.saved_tensors
        temperature, exclude_self, block = ctx.settings
        need_queries, need_keys = ctx.needs_input_grad[:2]
        grad_queries = torch.empty_like(queries) if need_queries else None
        grad_keys = torch.zeros_like(keys) if need_keys else None
        for rows in row_blocks(queries.shape[1], block):
            logits = _logits(queries, keys, rows, temperature, exclude_self)
            share = logits.sub_(result[:, rows, None]).exp_()
            share *= grad[:, rows, None] / temperature
            if grad_queries is not None:
                grad_queries[:, rows] = share @ keys
            if grad_keys is not None:
                grad_keys += share.transpose(1, 2) @ queries[:, rows]
        return grad_queries, grad_keys, None, None, None


def _logits(
    queries: Tensor,
    keys: Tensor,
    rows: slice,
    temperature: float,
    exclude_self: bool,
) -> Tensor:
    logits = queries[:, rows] @ keys.transpose(1, 2) / temperature
    if exclude_self:
        token = torch.arange(keys.shape[1], device=keys.device)
        logits = logits.masked_fill(token[rows, None] == token, -torch.inf)
    return logits


def _sampled(
    queries: Tensor,
    keys: Tensor,
    temperature: float,
    exclude_self: bool,
    num_keys: int,
) -> Tensor:
    """Estimate the sum from keys drawn without replacement."""
    groups, num_tokens, width = keys.shape
    order = torch.rand(groups, num_tokens, device=keys.device)
    drawn = order.topk(min(num_keys, num_tokens), dim=1).indices
    some = keys.gather(1, drawn[:, :, None].expand(-1, -1, width))
    logits = queries @ some.transpose(1, 2) / temperature
    if not exclude_self:
        return logits.logsumexp(dim=2) + math.log(num_tokens / some.shape[1])
    token = torch.arange(num_tokens, device=keys.device)
    own = token[:, None] == drawn[:, None]
    others = some.shape[1] - own.sum(dim=2)
    logits = logits.masked_fill(own, -torch.inf)
    return logits.logsumexp(dim=2) + ((num_tokens - 1) / others).log()
