"""Reconstruction of the backbone's features."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput

TARGETS = ('feats', 'tokens')


def reconstruction_loss(
    recon: Float[Tensor, 'B T N C'], target: Float[Tensor, 'B T N C']
) -> Float[Tensor, '']:
    """Mean squared error to the target over all its entries.

    The target is detached here.

    Args:
        recon: Reconstructed features.
        target: Features to reconstruct.

    Returns:
        A value >= 0; 0 when the target is met.

    Source:
        Seitzer et al., Bridging the Gap to Real-World Object-Centric
        Learning, ICLR 2023, arXiv:2209.14860, Eq. (2).
    """
    return F.mse_loss(at_least_fp32(recon), at_least_fp32(target.detach()))


@MODELS.register_module()
class FeatureReconstructionLoss(nn.Module):
    """:func:`reconstruction_loss` of a model's own features.

    Args:
        target: ``'feats'``, the backbone's features (official code), or
            ``'tokens'``, what the neck makes of them (paper's text).

    Raises:
        ValueError: If ``target`` is neither, its width is not the
            decoder's, or the decoder did not run.

    Source:
        Manasyan et al., SlotContrast, CVPR 2025, arXiv:2412.14295;
        martius-lab/slotcontrast@17b42b05.
    """

    def __init__(self, target: str = 'feats') -> None:
        super().__init__()
        check_choice('target', target, TARGETS)
        self.target = target
        self.fields = ('recon', target)

    def forward(self, output: SlotOutput) -> Tensor:
        """Return the loss of one record."""
        recon, target = output.recon, getattr(output, self.target)
        if recon is None:
            raise ValueError(
                'FeatureReconstructionLoss: recon is None; run the decoder'
            )
        if recon.shape != target.shape:
            raise ValueError(
                f'the decoder reconstructs width {recon.shape[-1]}, '
                f'but {self.target} have width {target.shape[-1]}; set the '
                "decoder's feat_dim"
            )
        return reconstruction_loss(recon, target)
