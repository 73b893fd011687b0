"""Tiny mask-propagation models for tests: every part real."""

from typing import Any

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from slotkd.models.video import VosModel
from slotkd.registry import MODELS

SIDE = 49  # 4 x 4 tokens


def vos_config(
    gdpm: dict | None = None,
    memory: dict | None = None,
    num_layers: int = 1,
    radius: int = 2,
    **changes: Any,
) -> dict:
    """Return the config of a model of 32 channels."""
    return dict(
        type='VosModel',
        backbone=dict(type='ConvPyramid', dims=(8, 8, 16, 16)),
        propagator=dict(
            type='MaskPropagator',
            token_dim=32,
            num_layers=num_layers,
            gdpm=gdpm or {},
            memory=memory or {},
            radius=radius,
        ),
        **changes,
    )


def vos_model(*args: Any, seed: int = 0, **kwargs: Any) -> VosModel:
    """Build a model of :func:`vos_config` with random weights."""
    torch.manual_seed(seed)
    return MODELS.build(vos_config(*args, **kwargs))


def moved_offsets(model: torch.nn.Module, scale: float = 0.5) -> None:
    """Let the offset networks of a fresh model move something."""
    generator = torch.Generator().manual_seed(7)
    for name, weight in model.named_parameters():
        if name.endswith('offsets.proj.weight'):
            noise = torch.randn(weight.shape, generator=generator)
            weight.data.copy_(scale * noise)


def clip(
    num_objects: int = 2, frames: int = 4, batch: int = 1, side: int = SIDE
) -> tuple[Float[Tensor, 'B T 3 H W'], Integer[Tensor, 'B H W']]:
    """Return random frames and masks of squares in the first."""
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(batch, frames, 3, side, side, generator=generator)
    masks = torch.zeros(batch, side, side, dtype=torch.long)
    for label in range(1, num_objects + 1):
        top = (label - 1) * side // num_objects
        masks[:, top : top + side // num_objects - 1, 5 : side // 2] = label
    return images, masks
