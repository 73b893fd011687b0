"""The layers of a vision transformer, named as DINOv2 names them."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, tokens: Float[Tensor, 'B M C']) -> Tensor:
        """Mix tokens."""
        q, k, v = rearrange(
            self.qkv(tokens),
            'b m (three a d) -> three b a m d',
            three=3,
            a=self.num_heads,
        )
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.proj(rearrange(mixed, 'b a m d -> b m (a d)'))


class Mlp(nn.Module):
    """Two layers with exact GELU."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, embed_dim)

    def forward(self, tokens: Float[Tensor, 'B M C']) -> Tensor:
        """Map each token."""
        return self.fc2(F.gelu(self.fc1(tokens)))


class SwiGlu(nn.Module):
    """Gated feed-forward layer of the giant model."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        # Two thirds of the width of an Mlp, in steps of 8.
        gated_dim = (int(hidden_dim * 2 / 3) + 7) // 8 * 8
        self.w12 = nn.Linear(embed_dim, 2 * gated_dim)
        self.w3 = nn.Linear(gated_dim, embed_dim)

    def forward(self, tokens: Float[Tensor, 'B M C']) -> Tensor:
        """Map each token."""
        gate, value = self.w12(tokens).chunk(2, dim=-1)
        return self.w3(F.silu(gate) * value)


class LayerScale(nn.Module):
    """A learned factor for each channel."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(embed_dim))

    def forward(self, tokens: Float[Tensor, 'B M C']) -> Tensor:
        """Scale each channel."""
        return tokens * self.gamma


class Block(nn.Module):
    """Pre-norm transformer block with layer scale."""

    def __init__(
        self, embed_dim: int, num_heads: int, *, hidden_dim: int, ffn: str
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.attn = Attention(embed_dim, num_heads)
        self.ls1 = LayerScale(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.mlp = {'mlp': Mlp, 'swiglu': SwiGlu}[ffn](embed_dim, hidden_dim)
        self.ls2 = LayerScale(embed_dim)

    def forward(self, tokens: Float[Tensor, 'B M C']) -> Tensor:
        """Mix tokens, then map each."""
        mixed = tokens + self.ls1(self.attn(self.norm1(tokens)))
        return mixed + self.ls2(self.mlp(self.norm2(mixed)))

    def keys(self, tokens: Float[Tensor, 'B M C']) -> Tensor:
        """Return the attention keys of all heads, concatenated."""
        qkv = self.attn.qkv
        _, weight, _ = qkv.weight.chunk(3)
        _, bias, _ = qkv.bias.chunk(3)
        return F.linear(self.norm1(tokens), weight, bias)


class PatchEmbed(nn.Module):
    """One token for each patch."""

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, patch_size, stride=patch_size)

    def forward(self, images: Float[Tensor, 'B 3 H W']) -> Tensor:
        """Map patches to tokens, row by row."""
        return rearrange(self.proj(images), 'b c h w -> b (h w) c')


class FinalNorm(nn.LayerNorm):
    """The norm after the last block, which a checkpoint may leave out.

    Feature extractors that stop before it, such as SlotContrast's, save no
    weights for it. Strict loading then passes.

    Args:
        embed_dim: Width of the tokens.
        is_optional: Whether nothing reads the norm, so that its weights may
            be missing.
    """

    def __init__(self, embed_dim: int, is_optional: bool) -> None:
        super().__init__(embed_dim, eps=1e-6)
        self.is_optional = is_optional

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        *lists: Any,
    ) -> None:
        missing = [] if self.is_optional else missing_keys
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing, *lists
        )
