"""SRL's slot regularisation: spare slots attend to everything alike."""

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput


def slot_regularization_loss(
    token_attn: Float[Tensor, 'B T K N'],
    slots: Float[Tensor, 'B T K D'],
    num_chosen: int | None = None,
) -> Float[Tensor, '']:
    """Push the attention of redundant slots to uniform over tokens.

    Mean over clips, frames and chosen slots of KL(attention | uniform); see
    :func:`redundant_slots`. Slots carry no gradient.

    Args:
        token_attn: Attention that sums to 1 over tokens, mean over the
            iterations of each frame.
        slots: Slots; those of the last frame are compared.
        num_chosen: Slots to regularise; half of them by default.

    Returns:
        A value >= 0; a differentiable 0 if no slot is chosen.

    Source:
        Seong et al., SRL, ICLR 2026, arXiv:2602.03390; hynnsk/SRL@ed04867.
    """
    num_slots, num_tokens = token_attn.shape[2:]
    if num_chosen is None:
        num_chosen = num_slots // 2
    if num_chosen == 0:
        return token_attn.sum() * 0
    attn = at_least_fp32(token_attn)
    divergence = (attn * ((attn + 1e-8) * num_tokens).log()).sum(dim=3)
    chosen = redundant_slots(
        slots[:, -1], divergence.detach().mean(dim=1), num_chosen
    )
    return divergence.mean(dim=1).gather(1, chosen).mean()


@torch.no_grad()
def redundant_slots(
    slots: Float[Tensor, 'B K D'],
    divergence: Float[Tensor, 'B K'],
    num_chosen: int,
) -> Integer[Tensor, 'B R']:
    """Choose slots that have a twin.

    Again and again, of the two most similar slots that are not yet chosen
    take the one that is closer to uniform, the first on a tie.

    Args:
        slots: Compared by cosine.
        divergence: Distance of each slot's attention from uniform.
        num_chosen: Less than K.

    Raises:
        ValueError: If ``num_chosen`` is not in [1, K - 1].
    """
    num_slots = slots.shape[1]
    if not 0 < num_chosen < num_slots:
        raise ValueError(
            f'num_chosen={num_chosen} is not in [1, {num_slots - 1}] for '
            f'{num_slots} slots'
        )
    unit = F.normalize(at_least_fp32(slots), dim=2)
    lower = torch.ones(num_slots, num_slots, device=slots.device).tril().bool()
    cosine = (unit @ unit.transpose(1, 2)).masked_fill(lower, -torch.inf)
    chosen: list[Tensor] = []
    for _ in range(num_chosen):  # each choice depends on the ones before
        pair = cosine.flatten(1).max(dim=1).indices
        first, second = pair // num_slots, pair % num_slots
        pair = torch.stack((first, second), dim=1)
        nearer = divergence.gather(1, pair).min(dim=1, keepdim=True).indices
        slot = pair.gather(1, nearer)
        chosen.append(slot)
        index = slot[:, :, None].expand(-1, 1, num_slots)
        cosine = cosine.scatter(1, index, -torch.inf)
        cosine = cosine.scatter(2, index.transpose(1, 2), -torch.inf)
    return torch.cat(chosen, dim=1)


@MODELS.register_module()
class SRLRegularizationLoss(nn.Module):
    """:func:`slot_regularization_loss` of a model's record.

    Args:
        num_chosen: Slots to regularise; half of them by default.

    Source:
        Seong et al., SRL, ICLR 2026, arXiv:2602.03390; hynnsk/SRL@ed04867.
    """

    fields = ('token_attn', 'slots')

    def __init__(self, num_chosen: int | None = None) -> None:
        super().__init__()
        self.num_chosen = num_chosen

    def forward(self, output: SlotOutput) -> Tensor:
        """Return the loss of one record."""
        if output.token_attn is None:
            raise ValueError(
                'SRLRegularizationLoss: token_attn is None; the corrector '
                'must keep the attention of all iterations'
            )
        return slot_regularization_loss(
            output.token_attn, output.slots, self.num_chosen
        )
