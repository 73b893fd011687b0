"""SRL's deblurring: reconstructed tokens against the features of the clip."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.losses.srl_groups import (
    BASE_TEMPERATURE,
    group_labels,
    label_sums,
    unit_groups,
)
from slotkd.ops.choices import check_choice
from slotkd.ops.log_partition import FORMS, log_partition
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput


def deblur_loss(
    recon: Float[Tensor, 'B T N E'],
    feats: Float[Tensor, 'B T N E'],
    attn_logits: Float[Tensor, 'B T K N'],
    *,
    temperature: float = 0.1,
    group_frames: int | None = None,
    form: str = 'blocked',
    block: int = 512,
    num_keys: int = 256,
) -> Float[Tensor, '']:
    """Pull each reconstructed token to its own feature and to its slot's.

    With unit rows u of ``recon`` and v of ``feats`` and the softmax over all
    tokens j of the group, ``-1/2 log p_ii - 1/2 mean log p_ij`` over the j
    of equal encoder label; mean over i, times temperature / 0.07. ``feats``
    and labels are detached.

    Args:
        recon: Projected reconstruction.
        feats: Features behind the same projection.
        attn_logits: Encoder logits or attention; their argmax is the label.
        temperature: Divides the cosines.
        group_frames: Frames that are contrasted together; None: the clip.
        form: ``dense``, ``blocked`` or ``sampled``, see
            :func:`~slotkd.ops.log_partition.log_partition`.
        block: Rows at a time.
        num_keys: Keys of the sampled form.

    Source:
        Seong et al., SRL, ICLR 2026, arXiv:2602.03390; hynnsk/SRL@ed04867.
        Differs: only the partition needs all pairs, the positives are means
        of keys.
    """
    with torch.autocast(recon.device.type, enabled=False):
        queries = unit_groups(recon, group_frames)
        keys = unit_groups(feats.detach(), group_frames)
        labels = group_labels(attn_logits, group_frames)
        sums, counts = label_sums(keys, labels, attn_logits.shape[2])
        own = (queries * keys).sum(dim=2)
        alike = (queries * sums).sum(dim=2) / counts
        partition = log_partition(
            queries,
            keys,
            temperature,
            form=form,
            block=block,
            num_keys=num_keys,
        )
        losses = partition - (own + alike) / (2 * temperature)
        return losses.mean() * (temperature / BASE_TEMPERATURE)


@MODELS.register_module()
class SRLDeblurLoss(nn.Module):
    """:func:`deblur_loss` behind a linear projection that it owns.

    The projection learns through the reconstruction only.

    Args:
        feat_dim: Width of reconstruction and features.
        slot_dim: Width that they are compared in.
        temperature: Divides the cosines.
        group_frames: Frames that are contrasted together; None: the clip.
        form: ``dense``, ``blocked`` or ``sampled``.
        block: Rows at a time of the blocked form.
        num_keys: Keys of the sampled form.

    Source:
        Seong et al., SRL, ICLR 2026, arXiv:2602.03390; hynnsk/SRL@ed04867.
    """

    fields = ('recon', 'feats', 'attn_logits')

    def __init__(
        self,
        feat_dim: int,
        slot_dim: int,
        *,
        temperature: float = 0.1,
        group_frames: int | None = None,
        form: str = 'blocked',
        block: int = 512,
        num_keys: int = 256,
    ) -> None:
        super().__init__()
        check_choice('form', form, FORMS)
        self.proj = nn.Linear(feat_dim, slot_dim, bias=False)
        self.loss = functools.partial(
            deblur_loss,
            temperature=temperature,
            group_frames=group_frames,
            form=form,
            block=block,
            num_keys=num_keys,
        )

    def forward(self, output: SlotOutput) -> Tensor:
        """Return the loss of one record."""
        if output.recon is None:
            raise ValueError('SRLDeblurLoss: recon is None; run the decoder')
        return self.loss(
            self.proj(output.recon),
            self.proj(output.feats).detach(),
            output.attn_logits,
        )
