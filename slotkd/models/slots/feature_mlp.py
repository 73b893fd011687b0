"""The neck of slot models: maps backbone features to the slots' width."""

from jaxtyping import Float
from torch import Tensor, nn

from slotkd.registry import MODELS


@MODELS.register_module()
class FeatureMLP(nn.Module):
    """Map each token by LayerNorm, Linear, ReLU, Linear; no position code.

    Args:
        feat_dim: Width of the backbone's features.
        out_dim: Width of the tokens handed to the corrector.
        hidden_dim: Width between the two layers; twice ``feat_dim`` if None.

    Source:
        Seitzer et al., Bridging the Gap to Real-World Object-Centric
        Learning, ICLR 2023, arXiv:2209.14860; sizes of
        martius-lab/slotcontrast@17b42b05.
    """

    def __init__(
        self, feat_dim: int, out_dim: int, *, hidden_dim: int | None = None
    ) -> None:
        super().__init__()
        hidden_dim = hidden_dim or 2 * feat_dim
        self.feat_dim = feat_dim
        self.out_dim = out_dim
        self.layers = nn.Sequential(
            nn.LayerNorm(feat_dim),
            nn.Linear(feat_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, out_dim),
        )
        zero_biases(self.layers)

    def forward(
        self, feats: Float[Tensor, '*batch C']
    ) -> Float[Tensor, '*batch E']:
        """Map features to tokens."""
        return self.layers(feats)


def zero_biases(layers: nn.Module) -> None:
    """Set the biases of all linear layers to 0, as the official MLPs do."""
    for layer in layers.modules():
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
