"""The corrector: slots compete for the tokens of a frame."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.slots.feature_mlp import zero_biases
from slotkd.ops.attention import EPS_MODES, competitive_weights
from slotkd.ops.choices import check_choice
from slotkd.registry import MODELS
from slotkd.structures import CorrectorOutput


@MODELS.register_module()
class SlotAttention(nn.Module):
    """Correct slots by iterated competitive attention to tokens.

    Args:
        slot_dim: Width of a slot.
        token_dim: Width of the tokens.
        kvq_dim: Width of keys, values and queries; ``slot_dim`` if None.
        mlp_dim: Hidden width of the residual MLP after the update; 0 leaves
            the MLP out; ``4 * slot_dim`` if None.
        use_gru: Blend the update into the slot with a GRU cell; otherwise
            add it.
        normalize_state: Use the layer-normed slots as the GRU's state, as
            the official SlotContrast weights need; False is the textbook.
        eps_mode: See :func:`slotkd.ops.attention.competitive_weights`.
        mlp_last_iter: Run the MLP in the last iteration too.

    Raises:
        ValueError: If ``eps_mode`` is unknown, or ``use_gru`` is off and
            ``kvq_dim`` is not ``slot_dim``.

    Source:
        Locatello et al., Object-Centric Learning with Slot Attention,
        NeurIPS 2020, arXiv:2006.15055, Algorithm 1. Differs: the defaults
        are those of martius-lab/slotcontrast@17b42b05.
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
        super().__init__()
        kvq_dim = kvq_dim or slot_dim
        mlp_dim = 4 * slot_dim if mlp_dim is None else mlp_dim
        if not use_gru and kvq_dim != slot_dim:
            raise ValueError(
                'SlotAttention without a GRU adds the update to the slot: '
                f'kvq_dim {kvq_dim} must equal slot_dim {slot_dim}'
            )
        check_choice('eps_mode', eps_mode, EPS_MODES)
        self.slot_dim = slot_dim
        self.token_dim = token_dim
        self.normalize_state = normalize_state
        self.eps_mode = eps_mode
        self.mlp_last_iter = mlp_last_iter
        self.scale = kvq_dim**-0.5
        self.norm_tokens = nn.LayerNorm(token_dim)
        self.norm_slots = nn.LayerNorm(slot_dim)
        self.to_k = nn.Linear(token_dim, kvq_dim, bias=False)
        self.to_v = nn.Linear(token_dim, kvq_dim, bias=False)
        self.to_q = nn.Linear(slot_dim, kvq_dim, bias=False)
        self.gru = nn.GRUCell(kvq_dim, slot_dim) if use_gru else None
        self.mlp = _residual_mlp(slot_dim, mlp_dim) if mlp_dim else None

    def forward(
        self,
        slots: Float[Tensor, 'B K D'],
        tokens: Float[Tensor, 'B N E'],
        grid: tuple[int, int],
        num_iters: int,
        geometry: Float[Tensor, 'B K 4'] | None = None,
    ) -> CorrectorOutput:
        """Correct the slots on one frame; plain slots carry no geometry."""
        keys, values = self.project(tokens)
        token_attn = []
        for i in range(num_iters):
            state = self.norm_slots(slots)
            attn_logits = self.attend(self.to_q(state), keys)
            weights = competitive_weights(attn_logits, eps_mode=self.eps_mode)
            token_attn.append(weights)
            update = weights.to(values.dtype) @ values
            last = i == num_iters - 1
            slots = self.update(slots, state, update, last)
        return CorrectorOutput(
            slots=slots,
            attn_logits=attn_logits,
            token_attn=torch.stack(token_attn).mean(dim=0),
        )

    def project(
        self, tokens: Float[Tensor, 'B N E']
    ) -> tuple[Float[Tensor, 'B N Q'], Float[Tensor, 'B N Q']]:
        """Return the keys and values of a frame's tokens."""
        tokens = self.norm_tokens(tokens)
        return self.to_k(tokens), self.to_v(tokens)

    def attend(
        self,
        queries: Float[Tensor, 'B K Q'],
        keys: Float[Tensor, 'B N Q'],
    ) -> Float[Tensor, 'B K N']:
        """Return scaled query-key products."""
        return (queries * self.scale) @ keys.transpose(1, 2)

    def update(
        self,
        slots: Float[Tensor, 'B K D'],
        state: Float[Tensor, 'B K D'],
        update: Float[Tensor, 'B K Q'],
        is_last: bool,
    ) -> Float[Tensor, 'B K D']:
        """Blend an update into the slots."""
        previous = state if self.normalize_state else slots
        if self.gru is None:
            merged = previous + update
        else:
            merged = self.gru(
                update.flatten(0, 1), previous.flatten(0, 1)
            ).unflatten(0, slots.shape[:2])
        if self.mlp is None or (is_last and not self.mlp_last_iter):
            return merged
        return merged + self.mlp(merged)


def _residual_mlp(slot_dim: int, mlp_dim: int) -> nn.Sequential:
    mlp = nn.Sequential(
        nn.LayerNorm(slot_dim),
        nn.Linear(slot_dim, mlp_dim),
        nn.ReLU(),
        nn.Linear(mlp_dim, slot_dim),
    )
    zero_biases(mlp)
    return mlp
