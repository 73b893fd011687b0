"""Decoders: slots to reconstructed features and mixing masks."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.slots.feature_mlp import zero_biases
from slotkd.ops.attention import relative_coordinates, slot_geometry
from slotkd.ops.broadcast_decode import Layer, broadcast_decode
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import DecoderOutput


def _mlp_widths(widths: list[int]) -> nn.ModuleList:
    layers = nn.ModuleList(
        nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)
    )
    zero_biases(layers)
    return layers


def _parameters(layers: nn.ModuleList) -> list[Layer]:
    return [
        (layer.get_parameter('weight'), layer.get_parameter('bias'))
        for layer in layers
    ]


@MODELS.register_module()
class MLPDecoder(nn.Module):
    """Draw each slot at each learned position with one MLP, mix by masks.

    The first layer is split: slots and positions are projected apart and
    added, which equals projecting their sum. Mixing precedes the feature
    projection, see :func:`slotkd.ops.broadcast_decode.broadcast_decode`.

    Args:
        slot_dim: Width of a slot.
        feat_dim: Width C of the features to reconstruct.
        grid: Patch grid (h, w) of the position table.
        hidden_dims: Widths of the hidden layers.
        resize_positions: Resample the table bicubically at another grid
            instead of raising.

    Raises:
        ValueError: If a frame has another grid than the table.

    Source:
        Seitzer et al., Bridging the Gap to Real-World Object-Centric
        Learning, ICLR 2023, arXiv:2209.14860; initial values of
        martius-lab/slotcontrast@17b42b05.
    """

    def __init__(
        self,
        slot_dim: int,
        feat_dim: int,
        *,
        grid: tuple[int, int],
        hidden_dims: tuple[int, ...] = (1024, 1024, 1024),
        resize_positions: bool = False,
    ) -> None:
        super().__init__()
        h, w = grid
        self.slot_dim = slot_dim
        self.feat_dim = feat_dim
        self.grid = (h, w)
        self.resize_positions = resize_positions
        table = slot_dim**-0.5 * torch.randn(1, 1, h * w, slot_dim)
        self.pos_emb = nn.Parameter(table)
        self.layers = _mlp_widths([slot_dim, *hidden_dims, feat_dim + 1])

    def forward(
        self,
        slots: Float[Tensor, 'B K D'],
        attn_logits: Float[Tensor, 'B K N'],
        grid: tuple[int, int],
    ) -> DecoderOutput:
        """Decode the slots of a batch of frames; attention is not used."""
        (weight, bias), *hidden, last = _parameters(self.layers)
        drawn_slots = F.linear(slots, weight).unsqueeze(1)
        drawn_places = F.linear(self.positions(grid), weight, bias)
        recon, mask_logits = broadcast_decode(
            drawn_slots + drawn_places.unsqueeze(1), hidden, last
        )
        return DecoderOutput(recon=recon, mask_logits=mask_logits)

    def positions(self, grid: tuple[int, int]) -> Float[Tensor, 'N D']:
        """Return the position table on a grid."""
        table = self.pos_emb[0, 0]
        if tuple(grid) == self.grid:
            return table
        if not self.resize_positions:
            raise ValueError(
                f'MLPDecoder has a position table for grid {self.grid}, the '
                f'frame has {tuple(grid)}; set resize_positions=True or '
                'change the input size'
            )
        image = table.T.unflatten(1, self.grid).unsqueeze(0)
        image = F.interpolate(at_least_fp32(image), size=grid, mode='bicubic')
        return image[0].flatten(1).T.to(table.dtype)


@MODELS.register_module()
class SlotRelativeDecoder(nn.Module):
    """Draw each slot in coordinates centred on and scaled to its attention.

    It has no position table: any grid fits, and an object is drawn alike
    wherever it is.

    Args:
        slot_dim: Width of a slot.
        feat_dim: Width C of the features to reconstruct.
        hidden_dims: Widths of the hidden layers.

    Source:
        Biza et al., Invariant Slot Attention, ICML 2023, arXiv:2302.04973,
        section 3.3. Differs: coordinates enter the first layer linearly.
    """

    def __init__(
        self,
        slot_dim: int,
        feat_dim: int,
        *,
        hidden_dims: tuple[int, ...] = (256, 256, 256),
    ) -> None:
        super().__init__()
        self.slot_dim = slot_dim
        self.feat_dim = feat_dim
        self.layers = _mlp_widths([slot_dim, *hidden_dims, feat_dim + 1])
        self.coordinates = nn.Linear(2, hidden_dims[0], bias=False)

    def forward(
        self,
        slots: Float[Tensor, 'B K D'],
        attn_logits: Float[Tensor, 'B K N'],
        grid: tuple[int, int],
    ) -> DecoderOutput:
        """Decode the slots of a batch of frames where they look."""
        where = relative_coordinates(slot_geometry(attn_logits, grid), grid)
        where = where.transpose(1, 2).to(slots.dtype)
        first, *hidden, last = _parameters(self.layers)
        drawn_slots = F.linear(slots, *first).unsqueeze(1)
        recon, mask_logits = broadcast_decode(
            drawn_slots + self.coordinates(where), hidden, last
        )
        return DecoderOutput(recon=recon, mask_logits=mask_logits)


@MODELS.register_module()
class SlotMixerDecoder(nn.Module):
    """Ask for each position which slots it needs, then draw their mixture.

    Positions query the slots in cross-attention blocks; one last product
    with the slots gives the masks; the masked mixture of slots, at its
    position, goes through one MLP. The MLP runs once per patch, not once
    per patch and slot.

    Args:
        slot_dim: Width of a slot.
        feat_dim: Width C of the features to reconstruct.
        grid: Patch grid (h, w) of the position table.
        hidden_dims: Widths of the hidden layers of the drawing MLP.
        num_blocks: Cross-attention blocks before the masks.
        num_heads: Attention heads of each block.

    Raises:
        ValueError: If a frame has another grid than the table.

    Source:
        Sajjadi et al., Object Scene Representation Transformer, NeurIPS
        2022, arXiv:2206.06922, section 3.2; for video as in Zadaianchuk et
        al., VideoSAUR, NeurIPS 2023, arXiv:2306.04829.
    """

    def __init__(
        self,
        slot_dim: int,
        feat_dim: int,
        *,
        grid: tuple[int, int],
        hidden_dims: tuple[int, ...] = (1024, 1024),
        num_blocks: int = 2,
        num_heads: int = 4,
    ) -> None:
        super().__init__()
        h, w = grid
        self.slot_dim = slot_dim
        self.feat_dim = feat_dim
        self.grid = (h, w)
        table = slot_dim**-0.5 * torch.randn(1, h * w, slot_dim)
        self.pos_emb = nn.Parameter(table)
        self.norm_slots = nn.LayerNorm(slot_dim)
        self.blocks = nn.ModuleList(
            CrossAttentionBlock(slot_dim, num_heads) for _ in range(num_blocks)
        )
        self.norm_query = nn.LayerNorm(slot_dim)
        self.to_q = nn.Linear(slot_dim, slot_dim, bias=False)
        self.to_k = nn.Linear(slot_dim, slot_dim, bias=False)
        self.layers = _mlp_widths([slot_dim, *hidden_dims, feat_dim])

    def forward(
        self,
        slots: Float[Tensor, 'B K D'],
        attn_logits: Float[Tensor, 'B K N'],
        grid: tuple[int, int],
    ) -> DecoderOutput:
        """Decode the slots of a batch of frames; attention is not used."""
        if tuple(grid) != self.grid:
            raise ValueError(
                f'SlotMixerDecoder has a position table for grid {self.grid},'
                f' the frame has {tuple(grid)}'
            )
        slots = self.norm_slots(slots)
        query = self.pos_emb.expand(len(slots), -1, -1)
        for block in self.blocks:
            query = block(query, slots)
        query = self.to_q(self.norm_query(query)) / math.sqrt(self.slot_dim)
        mask_logits = query @ self.to_k(slots).transpose(1, 2)
        masks = at_least_fp32(mask_logits).softmax(dim=-1).to(slots.dtype)
        drawn = masks @ slots + self.pos_emb
        *hidden, last = self.layers
        for layer in hidden:
            drawn = F.relu_(layer(drawn))
        return DecoderOutput(
            recon=last(drawn), mask_logits=mask_logits.transpose(1, 2)
        )


class CrossAttentionBlock(nn.Module):
    """Pre-norm cross-attention from positions to slots, then an MLP."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def forward(
        self, query: Float[Tensor, 'B N D'], slots: Float[Tensor, 'B K D']
    ) -> Float[Tensor, 'B N D']:
        """Let each position gather from the slots."""
        gathered, _ = self.attn(
            self.norm1(query), slots, slots, need_weights=False
        )
        query = query + gathered
        return query + self.mlp(self.norm2(query))
