"""Initializers: the slots that the first frame starts from."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.registry import MODELS


@MODELS.register_module()
class LearnedInitializer(nn.Module):
    """Start every video from the same learned, ordered set of slots.

    Args:
        num_slots: Number of slots.
        slot_dim: Width of a slot.

    Source:
        Manasyan et al., SlotContrast, CVPR 2025, arXiv:2412.14295;
        drawn N(0, 1 / D) as in martius-lab/slotcontrast@17b42b05.
    """

    def __init__(self, num_slots: int, slot_dim: int) -> None:
        super().__init__()
        self.num_slots = num_slots
        self.slot_dim = slot_dim
        std = slot_dim**-0.5
        self.slots = nn.Parameter(std * torch.randn(1, num_slots, slot_dim))

    def forward(self, batch_size: int) -> Float[Tensor, 'B K D']:
        """Return the slots for each clip of a batch."""
        return self.slots.expand(batch_size, -1, -1)


@MODELS.register_module()
class GaussianInitializer(nn.Module):
    """Draw slots from one learned Gaussian, anew at every call.

    Args:
        num_slots: Number of slots.
        slot_dim: Width of a slot.

    Source:
        Locatello et al., Object-Centric Learning with Slot Attention,
        NeurIPS 2020, arXiv:2006.15055; initial values of
        martius-lab/videosaur@5d09311b.
    """

    def __init__(self, num_slots: int, slot_dim: int) -> None:
        super().__init__()
        self.num_slots = num_slots
        self.slot_dim = slot_dim
        self.mean = nn.Parameter(torch.zeros(1, 1, slot_dim))
        log_std = torch.full((1, 1, slot_dim), -0.5 * math.log(slot_dim))
        self.log_std = nn.Parameter(log_std)

    def forward(self, batch_size: int) -> Float[Tensor, 'B K D']:
        """Draw slots for each clip of a batch."""
        shape = (batch_size, self.num_slots, self.slot_dim)
        noise = torch.randn(
            shape, device=self.mean.device, dtype=self.mean.dtype
        )
        return self.mean + self.log_std.exp() * noise
