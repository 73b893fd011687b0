"""SRL's denoising: the corrector's tokens against those of the clip."""

import functools

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.srl_groups import (
    BASE_TEMPERATURE,
    group_labels,
    label_sums,
    unit_groups,
)
from slotkd.ops.choices import check_choice
from slotkd.ops.log_partition import FORMS, log_partition, row_blocks
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput


def denoise_loss(
    tokens: Float[Tensor, 'B T N E'],
    feats: Float[Tensor, 'B T N C'],
    mask_logits: Float[Tensor, 'B T K N'],
    *,
    num_near: int,
    temperature: float = 0.1,
    group_frames: int | None = None,
    form: str = 'blocked',
    block: int = 512,
    num_keys: int = 256,
) -> Float[Tensor, '']:
    """Pull each token to those of like features and to its slot's.

    With unit rows u of ``tokens`` on both sides and the softmax over the
    other tokens j of the group, half the mean of ``-log p_ij`` over the
    nearest tokens in ``feats`` and half over those of equal decoder label; a
    token without such others has no such half. Mean over i, times
    temperature / 0.07. A group of one token gives a differentiable 0.

    Args:
        tokens: Projected input of the corrector.
        feats: Backbone features, for the nearest tokens.
        mask_logits: Decoder logits or masks; their argmax is the label.
        num_near: Near tokens for each frame of the group, itself counted.
        temperature: Divides the cosines.
        group_frames: Frames that are contrasted together; None: the clip.
        form: See :func:`deblur_loss`; the nearest tokens are always exact.
        block: Rows at a time.
        num_keys: Keys of the sampled form.

    Source:
        Seong et al., SRL, ICLR 2026, arXiv:2602.03390; hynnsk/SRL@ed04867.
        Differs: of tokens at equal distance only as many are near as are
        asked for.
    """
    with torch.autocast(tokens.device.type, enabled=False):
        unit = unit_groups(tokens, group_frames)
        num_tokens = unit.shape[1]
        if num_tokens == 1:
            return unit.sum() * 0
        frames = group_frames or tokens.shape[1]
        near = nearest_tokens(
            unit_groups(feats.detach(), group_frames),
            min(num_near * frames, num_tokens),
            block=num_tokens if form == 'dense' else block,
        )
        close, num_close = _others_among(unit, near)
        labels = group_labels(mask_logits, group_frames)
        sums, counts = label_sums(unit, labels, mask_logits.shape[2])
        alike, num_alike = sums - unit, counts - 1
        partition = log_partition(
            unit,
            unit,
            temperature,
            exclude_self=True,
            form=form,
            block=block,
            num_keys=num_keys,
        )
        losses = torch.zeros_like(partition)
        for total, count in ((close, num_close), (alike, num_alike)):
            cosine = (unit * total).sum(dim=2) / count.clamp(min=1)
            half = (partition - cosine / temperature) / 2
            losses = losses + half.where(count > 0, 0)
        return losses.mean() * (temperature / BASE_TEMPERATURE)


@torch.no_grad()
def nearest_tokens(
    unit: Float[Tensor, 'G M C'], num_near: int, block: int = 512
) -> Integer[Tensor, 'G M P']:
    """Return the tokens of highest cosine with each, itself included."""
    keys = unit.transpose(1, 2)
    near = [
        (unit[:, rows] @ keys).topk(num_near, dim=2).indices
        for rows in row_blocks(unit.shape[1], block)
    ]
    return torch.cat(near, dim=1)


@MODELS.register_module()
class SRLDenoiseLoss(nn.Module):
    """:func:`denoise_loss` behind a linear projection that it owns.

    Args:
        slot_dim: Width of the corrector's input.
        num_near: Near tokens for each frame of the group: 8 MOVi-C, 24
            MOVi-E, 16 YTVIS.
        temperature: Divides the cosines.
        group_frames: Frames that are contrasted together; None: the clip.
        form: ``dense``, ``blocked`` or ``sampled``.
        block: Rows at a time of the blocked form.
        num_keys: Keys of the sampled form.

    Source:
        Seong et al., SRL, ICLR 2026, arXiv:2602.03390; hynnsk/SRL@ed04867.
    """

    fields = ('tokens', 'feats', 'mask_logits')

    def __init__(
        self,
        slot_dim: int,
        num_near: int,
        *,
        temperature: float = 0.1,
        group_frames: int | None = None,
        form: str = 'blocked',
        block: int = 512,
        num_keys: int = 256,
    ) -> None:
        super().__init__()
        check_choice('form', form, FORMS)
        self.proj = nn.Linear(slot_dim, slot_dim, bias=False)
        self.loss = functools.partial(
            denoise_loss,
            num_near=num_near,
            temperature=temperature,
            group_frames=group_frames,
            form=form,
            block=block,
            num_keys=num_keys,
        )

    def forward(self, output: SlotOutput) -> Tensor:
        """Return the loss of one record."""
        if output.mask_logits is None:
            raise ValueError(
                'SRLDenoiseLoss: mask_logits is None; run the decoder'
            )
        return self.loss(
            self.proj(output.tokens), output.feats, output.mask_logits
        )


def _others_among(
    unit: Float[Tensor, 'G M E'], near: Integer[Tensor, 'G M P']
) -> tuple[Float[Tensor, 'G M E'], Integer[Tensor, 'G M']]:
    """Sum and number of the near tokens other than the token itself."""
    groups, num_tokens, width = unit.shape
    token = torch.arange(num_tokens, device=near.device)
    other = near != token[:, None]
    first = num_tokens * torch.arange(groups, device=near.device)
    sums = F.embedding_bag(
        (near + first[:, None, None]).flatten(0, 1),
        unit.reshape(-1, width),
        mode='sum',
        per_sample_weights=other.to(unit).flatten(0, 1),
    )
    return sums.view_as(unit), other.sum(dim=2)
