"""Invariant slot attention: each slot sees tokens in its own coordinates."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.slots.slot_attention import SlotAttention
from slotkd.ops.attention import (
    competitive_weights,
    relative_coordinates,
    slot_geometry,
)
from slotkd.registry import MODELS
from slotkd.structures import CorrectorOutput


@MODELS.register_module()
class InvariantSlotAttention(SlotAttention):
    """Correct slots with keys that know where a token lies from the slot.

    The key of token n for slot k is ``key_n + W (xy_n - position_k) /
    scale_k``; position and scale are the centroid and spread of the slot's
    attention and travel with the slot through iterations and frames. The
    first iteration of a video uses the frame itself (position 0, scale 1).
    The encoding is linear, so its product with the query costs two numbers
    for each slot and token instead of a key for each.

    Args:
        slot_dim: Width of a slot.
        token_dim: Width of the tokens.
        kvq_dim: See :class:`SlotAttention`, as all below.
        mlp_dim: Hidden width of the residual MLP.
        use_gru: Blend the update with a GRU cell.
        normalize_state: Use the layer-normed slots as the GRU's state.
        eps_mode: Where the guard against empty slots is added.
        mlp_last_iter: Run the MLP in the last iteration too.

    Source:
        Biza et al., Invariant Slot Attention, ICML 2023, arXiv:2302.04973.
        Differs: linear encoding on keys only, no rotation, and the geometry
        handed on is that of the last attention, without an extra round.
    """

    def __init__(
        self,
        slot_dim: int,
        token_dim: int,
        *,
        kvq_dim: int | None = None,
        mlp_dim: int | None = None,
        use_gru: bool = True,
        normalize_state: bool = True,
        eps_mode: str = 'before',
        mlp_last_iter: bool = True,
    ) -> None:
        super().__init__(
            slot_dim,
            token_dim,
            kvq_dim=kvq_dim,
            mlp_dim=mlp_dim,
            use_gru=use_gru,
            normalize_state=normalize_state,
            eps_mode=eps_mode,
            mlp_last_iter=mlp_last_iter,
        )
        self.coordinate_key = nn.Linear(2, kvq_dim or slot_dim, bias=False)

    def forward(
        self,
        slots: Float[Tensor, 'B K D'],
        tokens: Float[Tensor, 'B N E'],
        grid: tuple[int, int],
        num_iters: int,
        geometry: Float[Tensor, 'B K 4'] | None = None,
    ) -> CorrectorOutput:
        """Correct the slots and their geometry on one frame."""
        keys, values = self.project(tokens)
        if geometry is None:
            whole_frame = slots.new_tensor([0.0, 0.0, 1.0, 1.0])
            geometry = whole_frame.expand(*slots.shape[:2], 4)
        token_attn = []
        for i in range(num_iters):
            state = self.norm_slots(slots)
            queries = self.to_q(state)
            where = relative_coordinates(geometry, grid).to(queries.dtype)
            pull = (queries * self.scale) @ self.coordinate_key.weight
            attn_logits = self.attend(queries, keys) + torch.einsum(
                'bkc,bknc->bkn', pull, where
            )
            weights = competitive_weights(attn_logits, eps_mode=self.eps_mode)
            token_attn.append(weights)
            geometry = slot_geometry(attn_logits, grid)
            update = weights.to(values.dtype) @ values
            last = i == num_iters - 1
            slots = self.update(slots, state, update, last)
        return CorrectorOutput(
            slots=slots,
            attn_logits=attn_logits,
            token_attn=torch.stack(token_attn).mean(dim=0),
            geometry=geometry,
        )
