"""A bias of attention that depends on the way from query to key."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.ops.deform_sample import reference_points


class LogPositionBias(nn.Module):
    """Map displacements on a logarithmic scale to a bias of the logits.

    Two layers; the last starts at zero, so that training starts without a
    bias. Holds ``hidden_dim`` floats for each pair of query and key.

    Args:
        hidden_dim: Width of the hidden layer.

    Source:
        Liu et al., Swin Transformer V2, CVPR 2022, arXiv:2111.09883, section
        3.3, with continuous displacements.
    """

    def __init__(self, hidden_dim: int = 32) -> None:
        super().__init__()
        self.hidden = nn.Linear(2, hidden_dim)
        self.proj = nn.Linear(hidden_dim, 1, bias=False)
        self.zero_init()

    def zero_init(self) -> None:
        """Let every bias be zero."""
        nn.init.zeros_(self.proj.weight)

    def forward(
        self, points: Float[Tensor, 'B M 2'], grid: tuple[int, int]
    ) -> Float[Tensor, 'B N M']:
        """Return the bias of each pair of a cell and a point.

        Args:
            points: (x, y) in cells.
            grid: Cells (h, w) of the queries.
        """
        cells = reference_points(grid, 1, points)
        way = points[:, None] - cells[:, None]
        log_way = way.sign() * torch.log2(1 + way.abs()) / math.log2(8)
        return self.proj(self.hidden(log_way).relu()).squeeze(-1)
