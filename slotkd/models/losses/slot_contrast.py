"""Slot-slot contrast between consecutive frames."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput

SCOPES = ('batch', 'video')
DIRECTIONS = ('next_to_prev', 'prev_to_next', 'both')


def slot_contrast_loss(
    slots: Float[Tensor, 'B T K D'],
    temperature: float = 0.1,
    *,
    scope: str = 'batch',
    direction: str = 'next_to_prev',
) -> Float[Tensor, '']:
    """Tell each slot's other frame from all other slots of that frame.

    With unit slots z, ``M[i, j] = z_t[i] . z_{t+1}[j] / temperature``; the
    loss is the mean over t and j of ``logsumexp_i M[i, j] - M[j, j]``: the
    later slot is the anchor, the earlier frame holds the candidates, the
    positive included. A clip of one frame gives a differentiable 0.

    Args:
        slots: Slots of each frame.
        temperature: Divides the cosines.
        scope: ``'batch'`` pools the slots of all clips of a frame;
            ``'video'`` contrasts each clip with itself.
        direction: ``'next_to_prev'`` as above, ``'prev_to_next'`` anchors
            the earlier slot, ``'both'`` averages the two.

    Returns:
        A value > 0; near 0 when every slot stays itself and apart.

    Raises:
        ValueError: If ``scope`` or ``direction`` is none of these.

    Source:
        Manasyan et al., SlotContrast, CVPR 2025, arXiv:2412.14295, Eq. (4).
        Differs: anchors, candidates and positive follow
        martius-lab/slotcontrast@17b42b05, not the printed formula.
    """
    check_choice('scope', scope, SCOPES)
    check_choice('direction', direction, DIRECTIONS)
    if slots.shape[1] < 2:
        return slots.sum() * 0
    unit = F.normalize(at_least_fp32(slots), dim=-1)
    pattern = 't g k d' if scope == 'video' else 't 1 (g k) d'
    unit = rearrange(unit, f'g t k d -> {pattern}')
    earlier, later = unit[:-1], unit[1:]
    logits = later @ earlier.transpose(-1, -2) / temperature
    losses = []
    if direction in ('next_to_prev', 'both'):
        losses.append(_cross_entropy_of_diagonal(logits))
    if direction in ('prev_to_next', 'both'):
        losses.append(_cross_entropy_of_diagonal(logits.transpose(-1, -2)))
    return torch.stack(losses).mean()


def _cross_entropy_of_diagonal(
    logits: Float[Tensor, '*batch M M'],
) -> Float[Tensor, '']:
    positive = logits.diagonal(dim1=-2, dim2=-1)
    return (logits.logsumexp(dim=-1) - positive).mean()


@MODELS.register_module()
class SlotContrastLoss(nn.Module):
    """:func:`slot_contrast_loss` of a model's slots, local to a process.

    Args:
        temperature: Divides the cosines.
        scope: ``'batch'`` or ``'video'``.
        direction: ``'next_to_prev'``, ``'prev_to_next'`` or ``'both'``.

    Raises:
        ValueError: If ``scope`` or ``direction`` is none of these.

    Source:
        Manasyan et al., SlotContrast, CVPR 2025, arXiv:2412.14295.
    """

    fields = ('slots',)

    def __init__(
        self,
        temperature: float = 0.1,
        *,
        scope: str = 'batch',
        direction: str = 'next_to_prev',
    ) -> None:
        super().__init__()
        check_choice('scope', scope, SCOPES)
        check_choice('direction', direction, DIRECTIONS)
        self.temperature = temperature
        self.scope = scope
        self.direction = direction

    def forward(self, output: SlotOutput) -> Tensor:
        """Return the loss of one record."""
        return slot_contrast_loss(
            output.slots,
            self.temperature,
            scope=self.scope,
            direction=self.direction,
        )
