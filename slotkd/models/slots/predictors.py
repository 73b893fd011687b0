"""The predictor: slots of one frame to the starting slots of the next."""

import math

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.ops.choices import check_choice
from slotkd.registry import MODELS

LOGIT_SCALES = ('multiply', 'divide')


@MODELS.register_module()
class TransformerPredictor(nn.Module):
    """Let the slots of a frame see each other in pre-norm encoder blocks.

    Args:
        slot_dim: Width of a slot.
        num_blocks: Number of blocks.
        num_heads: Attention heads of each block.
        mlp_dim: Hidden width of the feed-forward part; ``4 * slot_dim`` if
            None.
        logit_scale: ``'multiply'`` multiplies the logits by the root of the
            head width, as the official SlotContrast weights need;
            ``'divide'`` is the textbook.

    Raises:
        ValueError: If the width does not divide by the heads, or
            ``logit_scale`` is neither.

    Source:
        Kipf et al., Conditional Object-Centric Learning from Video, ICLR
        2022, arXiv:2111.12594. Differs: pre-norm and the default logit
        scale follow martius-lab/slotcontrast@17b42b05.
    """

    def __init__(
        self,
        slot_dim: int,
        *,
        num_blocks: int = 1,
        num_heads: int = 4,
        mlp_dim: int | None = None,
        logit_scale: str = 'multiply',
    ) -> None:
        super().__init__()
        if slot_dim % num_heads:
            raise ValueError(
                f'slot_dim {slot_dim} must divide by num_heads {num_heads}'
            )
        check_choice('logit_scale', logit_scale, LOGIT_SCALES)
        root = math.sqrt(slot_dim // num_heads)
        scale = root if logit_scale == 'multiply' else 1 / root
        self.slot_dim = slot_dim
        self.blocks = nn.ModuleList(
            PredictorBlock(slot_dim, num_heads, mlp_dim or 4 * slot_dim, scale)
            for _ in range(num_blocks)
        )

    def forward(self, slots: Float[Tensor, 'B K D']) -> Float[Tensor, 'B K D']:
        """Predict the slots that the next frame starts from."""
        for block in self.blocks:
            slots = block(slots)
        return slots


class PredictorBlock(nn.Module):
    """One pre-norm self-attention block with a ReLU feed-forward part."""

    def __init__(
        self, dim: int, num_heads: int, mlp_dim: int, scale: float
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = scale
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, mlp_dim)
        self.linear2 = nn.Linear(mlp_dim, dim)
        for layer in (self.qkv, self.out_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, slots: Float[Tensor, 'B K D']) -> Float[Tensor, 'B K D']:
        """Return slots that have seen each other."""
        q, k, v = rearrange(
            self.qkv(self.norm1(slots)),
            'b k (three a d) -> three b a k d',
            three=3,
            a=self.num_heads,
        )
        mixed = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        slots = slots + self.out_proj(rearrange(mixed, 'b a k d -> b k (a d)'))
        return slots + self.linear2(F.relu(self.linear1(self.norm2(slots))))
