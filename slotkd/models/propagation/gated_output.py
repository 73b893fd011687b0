"""What follows each read of a gated propagation layer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

Grid = tuple[int, int]


def to_map(
    tokens: Float[Tensor, 'B N C'], grid: Grid
) -> Float[Tensor, 'B C h w']:
    """Arrange tokens on their grid (h, w), channels first."""
    return tokens.mT.unflatten(2, grid)


class GatedOutput(nn.Module):
    """Gate what was read, mix it with its neighbourhood, project it.

    Args:
        value_dim: Channels of what was read.
        out_dim: Channels of the result.
        dropout: Probability that a channel is dropped after the convolution.

    Source:
        Yang et al., DeAOT, NeurIPS 2022, arXiv:2210.09782, and
        yoxu515/aot-benchmark@04fe7d9:networks/layers/attention.py.
    """

    def __init__(
        self, value_dim: int, out_dim: int, *, dropout: float | int = 0.1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            value_dim, value_dim, 5, padding=2, groups=value_dim, bias=False
        )
        self.dropout = nn.Dropout2d(dropout)
        self.proj = nn.Linear(value_dim, out_dim)

    def forward(
        self,
        read: Float[Tensor, 'B N C'],
        gate: Float[Tensor, 'B N C'],
        grid: Grid,
    ) -> Float[Tensor, 'B N D']:
        """Return the update of the streams."""
        mixed = self.dropout(self.conv(to_map(read * gate, grid)))
        return self.proj(mixed.flatten(2).mT)


class DropPath(nn.Module):
    """Drop a residual branch for whole samples while training.

    Args:
        prob: Probability; what is kept is scaled up.

    Source:
        Huang et al., Deep Networks with Stochastic Depth, ECCV 2016,
        arXiv:1603.09382.
    """

    def __init__(self, prob: float | int = 0.1) -> None:
        super().__init__()
        self.prob = prob

    def forward(
        self, branch: Float[Tensor, 'B N D']
    ) -> Float[Tensor, 'B N D']:
        """Return the branch, zero in dropped samples."""
        if not self.training or self.prob == 0:
            return branch
        keep = torch.rand(len(branch), 1, 1, device=branch.device) >= self.prob
        return branch * keep / (1 - self.prob)
