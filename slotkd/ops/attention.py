"""Attention in which slots compete for tokens, and what it says of shape."""

import torch
from jaxtyping import Float
from torch import Tensor

from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32

EPS_MODES = ('before', 'sum')


def competitive_weights(
    attn_logits: Float[Tensor, '*batch K N'],
    *,
    eps: float = 1e-8,
    eps_mode: str = 'before',
) -> Float[Tensor, '*batch K N']:
    """Turn logits into averaging weights that sum to 1 over tokens.

    A softmax over slots makes them compete for each token; each slot then
    averages the tokens it won.

    Args:
        attn_logits: Scaled query-key products.
        eps: Guards a slot that wins nothing.
        eps_mode: ``'before'`` adds ``eps`` to the attention and normalises;
            ``'sum'`` adds it to the denominator only.

    Returns:
        Weights, at least in fp32.

    Raises:
        ValueError: If ``eps_mode`` is neither.

    Source:
        Locatello et al., Object-Centric Learning with Slot Attention,
        NeurIPS 2020, arXiv:2006.15055, Algorithm 1.
    """
    check_choice('eps_mode', eps_mode, EPS_MODES)
    attn = at_least_fp32(attn_logits).softmax(dim=-2)
    if eps_mode == 'before':
        attn = attn + eps
        return attn / attn.sum(dim=-1, keepdim=True)
    return attn / (attn.sum(dim=-1, keepdim=True) + eps)


def frame_coordinates(
    grid: tuple[int, int], like: Tensor
) -> Float[Tensor, 'N 2']:
    """Return the centre (x, y) of each patch; the frame spans -1 to 1."""
    h, w = grid
    y, x = torch.meshgrid(_centres(h, like), _centres(w, like), indexing='ij')
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def _centres(count: int, like: Tensor) -> Float[Tensor, ' {count}']:
    steps = torch.arange(count, device=like.device, dtype=like.dtype)
    return (steps + 0.5) * (2 / count) - 1


def slot_geometry(
    attn_logits: Float[Tensor, '*batch K N'],
    grid: tuple[int, int],
    *,
    min_scale: float = 0.05,
    max_scale: float = 2.0,
) -> Float[Tensor, '*batch K 4']:
    """Return where each slot looks: centroid and spread of its attention.

    Args:
        attn_logits: Logits before the softmax over slots.
        grid: Patch grid (h, w).
        min_scale: Smallest spread, in units of half a frame.
        max_scale: Largest spread.

    Returns:
        Centroid (x, y) and standard deviation (x, y), frame from -1 to 1.

    Source:
        Biza et al., Invariant Slot Attention, ICML 2023, arXiv:2302.04973,
        section 3. Differs: the spread is kept for each axis, and its lower
        bound is 0.05, not 0.001: a slot that looks at one patch of a coarse
        grid has no spread of its own, and dividing by 0.001 would put its
        neighbours hundreds of spreads away.
    """
    weights = competitive_weights(attn_logits)
    xy = frame_coordinates(grid, weights)
    moments = weights @ torch.cat([xy, xy.square()], dim=-1)
    centre, second = moments.split(2, dim=-1)
    # Clamped before the root: rounding can make a variance negative.
    variance = (second - centre.square()).clamp(min_scale**2, max_scale**2)
    return torch.cat([centre, variance.sqrt()], dim=-1)


def relative_coordinates(
    geometry: Float[Tensor, '*batch K 4'], grid: tuple[int, int]
) -> Float[Tensor, '*batch K N 2']:
    """Express each patch centre in each slot's own frame of reference."""
    centre, scale = geometry.unsqueeze(-2).split(2, dim=-1)
    return (frame_coordinates(grid, geometry) - centre) / scale
