"""SRL's slot contrast: neighbouring frames against the whole batch."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.srl_groups import BASE_TEMPERATURE
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput


def srl_contrast_loss(
    slots: Float[Tensor, 'B T K D'], temperature: float = 0.1
) -> Float[Tensor, '']:
    """Tell each slot's neighbouring frames from all other slots.

    Slots of all clips and frames are pooled. Positives are the same slot in
    the frame before and after; the same slot in other frames counts on
    neither side. Mean over slots of the mean over positives of
    ``-log softmax``, times temperature / 0.07. A clip of one frame gives a
    differentiable 0.

    Source:
        Seong et al., SRL, ICLR 2026, arXiv:2602.03390; hynnsk/SRL@ed04867.
    """
    num_frames = slots.shape[1]
    if num_frames == 1:
        return slots.sum() * 0
    with torch.autocast(slots.device.type, enabled=False):
        unit = (
            F.normalize(at_least_fp32(slots), dim=3)
            .transpose(0, 1)
            .flatten(1, 2)
        )
        num_pooled = unit.shape[1]
        unit = unit.flatten(0, 1)
        logits = unit @ unit.T / temperature
        item = torch.arange(len(unit), device=slots.device)
        same = item[:, None] % num_pooled == item % num_pooled
        frame = item // num_pooled
        near = same & ((frame[:, None] - frame).abs() == 1)
        logits = logits.masked_fill(same & ~near, -torch.inf)
        partition = logits.logsumexp(dim=1)
        positive = logits.where(near, 0).sum(dim=1) / near.sum(dim=1)
        losses = partition - positive
        return losses.mean() * (temperature / BASE_TEMPERATURE)


@MODELS.register_module()
class SRLContrastLoss(nn.Module):
    """:func:`srl_contrast_loss` of a model's slots, local to a process.

    Args:
        temperature: Divides the cosines.

    Source:
        Seong et al., SRL, ICLR 2026, arXiv:2602.03390; hynnsk/SRL@ed04867.
    """

    fields = ('slots',)

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, output: SlotOutput) -> Tensor:
        """Return the loss of one record."""
        return srl_contrast_loss(output.slots, self.temperature)
