"""Gated attention of a frame to itself."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.propagation.deformable_read import attend
from slotkd.models.propagation.gated_output import (
    DropPath,
    GatedOutput,
    Grid,
)


class SelfPropagation(nn.Module):
    """Spread both streams of a frame over the frame, as residuals.

    Query and key are one projection of both streams; each stream has values
    and gates of its own.

    Args:
        token_dim: Channels of a stream.
        key_dim: Channels of queries and keys.
        dropout: See :class:`GatedOutput`.
        drop_path: Probability that a sample's residual is dropped.

    Source:
        Yang et al., DeAOT, NeurIPS 2022, arXiv:2210.09782, and
        yoxu515/aot-benchmark@04fe7d9:networks/layers/transformer.py.
    """

    def __init__(
        self,
        token_dim: int,
        key_dim: int,
        *,
        dropout: float | int = 0.1,
        drop_path: float | int = 0.1,
    ) -> None:
        super().__init__()
        value_dim = 2 * token_dim
        self.norms = nn.ModuleList(nn.LayerNorm(token_dim) for _ in range(2))
        self.key = nn.Linear(2 * token_dim, key_dim)
        self.values = nn.ModuleList(
            nn.Linear(token_dim, value_dim) for _ in range(2)
        )
        self.gates = nn.ModuleList(
            nn.Linear(token_dim, value_dim) for _ in range(2)
        )
        self.out = GatedOutput(2 * value_dim, 2 * token_dim, dropout=dropout)
        self.drop_path = DropPath(drop_path)

    def forward(
        self,
        visual: Float[Tensor, 'B N D'],
        identity: Float[Tensor, 'B N D'],
        grid: Grid,
    ) -> tuple[Float[Tensor, 'B N D'], Float[Tensor, 'B N D']]:
        """Return both streams."""
        streams = [
            norm(stream)
            for norm, stream in zip(
                self.norms, (visual, identity), strict=True
            )
        ]
        key = self.key(torch.cat(streams, dim=2))
        value = _concatenated(self.values, streams)
        read, _ = attend(key, key.mT[:, None], value.mT[:, None])
        update = self.out(read, _concatenated(self.gates, streams), grid)
        on_visual, on_identity = update.chunk(2, dim=2)
        return (
            visual + self.drop_path(on_visual),
            identity + self.drop_path(on_identity),
        )


def _concatenated(
    layers: nn.ModuleList, streams: list[Float[Tensor, 'B N D']]
) -> Float[Tensor, 'B N _']:
    parts = [
        F.silu(layer(stream))
        for layer, stream in zip(layers, streams, strict=True)
    ]
    return torch.cat(parts, dim=2)
