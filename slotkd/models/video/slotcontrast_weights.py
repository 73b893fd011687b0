"""Names and sizes of official SlotContrast, SSync and SRL checkpoints."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from slotkd.models.backbones.dino_vit import ARCHS
from slotkd.models.backbones.vit_weights import (
    SLOTCONTRAST_PREFIX,
    grid_of,
    to_dino_vit,
    vit_sizes,
)

_CORRECTOR = r'^processor\.module\.corrector\.'
_BLOCK = r'^processor\.module\.predictor\.blocks\.(\d+)\.'
_NAMES = (
    (r'^initializer\.slots$', 'initializer.slots'),
    (r'^encoder\.module\.output_transform\.layers\.', 'neck.layers.'),
    (_CORRECTOR + r'norm_features\.', 'corrector.norm_tokens.'),
    (_CORRECTOR + r'mlp\.layers\.', 'corrector.mlp.'),
    (_CORRECTOR, 'corrector.'),
    (_BLOCK + r'self_attn\.', r'predictor.blocks.\1.'),
    (_BLOCK, r'predictor.blocks.\1.'),
    (r'^decoder\.module\.pos_emb$', 'decoder.pos_emb'),
)
_DECODER_LAYER = re.compile(r'^decoder\.module\.mlp\.layers\.(\d+)\.(\w+)$')
# SRL trains two projections for its losses.
_UNUSED = re.compile(r'^projector2?\.')
_HEADS = {arch['embed_dim']: arch['num_heads'] for arch in ARCHS.values()}


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What no tensor of a checkpoint shows.

    Args:
        num_heads: Attention heads of the ViT; None takes DINOv2's for its
            widths, 64 channels each.
        pos_grid: Grid (h, w) of the ViT's position table; None takes it for
            a square.
        grid: Patch grid (h, w) of the decoder; None takes it for a square.
        predictor_heads: Attention heads of the predictor.
        num_iters_first: Corrector iterations on the first frame.
        num_iters: Corrector iterations on later frames.

    Source:
        The defaults are those of all configs of
        martius-lab/slotcontrast@17b42b05.
    """

    num_heads: int | None = None
    pos_grid: tuple[int, int] | None = None
    grid: tuple[int, int] | None = None
    predictor_heads: int = 4
    num_iters_first: int = 3
    num_iters: int = 2


def is_slotcontrast(names: Sequence[str] | Mapping[str, Any]) -> bool:
    """Tell whether weights have the names of a SlotContrast checkpoint."""
    return any(name.startswith(SLOTCONTRAST_PREFIX) for name in names)


def from_slotcontrast(
    tensors: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], set[str]]:
    """Rename the weights of a checkpoint to those of a SlotVideoModel.

    Args:
        tensors: ``state_dict`` of a SlotContrast, SSync or SRL checkpoint.

    Returns:
        The renamed weights, and the names of those that inference does not
        use: SRL's projections, and of the backbone the mask token or a
        classifier.

    Raises:
        ValueError: If a tensor has no counterpart; lists all.
    """
    vit = {
        k: v for k, v in tensors.items() if k.startswith(SLOTCONTRAST_PREFIX)
    }
    rest = tensors.keys() - vit.keys()
    unused = {key for key in rest if _UNUSED.match(key)}
    names = {key: slot_part_name(key) for key in rest - unused}
    unknown = sorted(key for key, name in names.items() if name is None)
    if unknown:
        raise ValueError(
            'these tensors have no counterpart in SlotVideoModel: '
            f'{", ".join(unknown)}'
        )
    weights = {
        name: tensors[key] for key, name in names.items() if name is not None
    }
    backbone, unused_vit = to_dino_vit(vit)
    weights |= {f'backbone.{name}': value for name, value in backbone.items()}
    return weights, unused | {SLOTCONTRAST_PREFIX + k for k in unused_vit}


def slot_part_name(key: str) -> str | None:
    """Return our name of a tensor outside the backbone, None if it has none.

    Source:
        Layout of martius-lab/slotcontrast@17b42b05.
    """
    layer = _DECODER_LAYER.match(key)
    if layer:
        # Every second layer of the official MLP is an activation.
        index, odd = divmod(int(layer[1]), 2)
        return None if odd else f'decoder.layers.{index}.{layer[2]}'
    for pattern, name in _NAMES:
        renamed, count = re.subn(pattern, name, key)
        if count:
            return renamed
    return None


def slotcontrast_config(
    weights: Mapping[str, Tensor], facts: ModelFacts
) -> dict:
    """Return the config of the SlotVideoModel that weights belong to.

    Args:
        weights: As :func:`from_slotcontrast` returns them.
        facts: What the weights do not show.

    Returns:
        Config with SlotContrast's two losses, ImageNet normalisation and no
        checkpoint.

    Raises:
        ValueError: If a part is missing, or a size cannot be inferred.
    """
    _require(
        weights,
        'initializer.slots',
        'neck.layers.0.weight',
        'neck.layers.3.weight',
        'corrector.to_k.weight',
        'decoder.pos_emb',
    )
    _, num_slots, slot_dim = weights['initializer.slots'].shape
    token_dim, hidden_dim = weights['neck.layers.3.weight'].shape
    feat_dim = len(weights['neck.layers.0.weight'])
    return dict(
        type='SlotVideoModel',
        backbone=_backbone_config(weights, facts),
        neck=dict(
            type='FeatureMLP',
            feat_dim=feat_dim,
            out_dim=token_dim,
            hidden_dim=hidden_dim,
        ),
        initializer=dict(
            type='LearnedInitializer', num_slots=num_slots, slot_dim=slot_dim
        ),
        corrector=_corrector_config(weights, slot_dim, token_dim),
        predictor=_predictor_config(weights, slot_dim, facts),
        decoder=_decoder_config(weights, slot_dim, facts),
        num_iters_first=facts.num_iters_first,
        num_iters=facts.num_iters,
        losses=dict(
            recon=dict(type='FeatureReconstructionLoss', loss_weight=1.0),
            slot_contrast=dict(
                type='SlotContrastLoss', temperature=0.1, loss_weight=0.5
            ),
        ),
        data_preprocessor=dict(type='VideoDataPreprocessor'),
    )


def dino_vit_config(weights: Mapping[str, Tensor], facts: ModelFacts) -> dict:
    """Return the config of the DinoViT that weights belong to.

    Raises:
        ValueError: If the number of heads is not known for this width.
    """
    _require(weights, 'pos_embed', 'patch_embed.proj.weight')
    _require(weights, 'blocks.0.norm1.weight')
    config = vit_sizes(weights, facts.pos_grid)
    arch = config['arch']
    embed_dim = arch['embed_dim']
    num_heads = facts.num_heads or _HEADS.get(embed_dim)
    if num_heads is None:
        raise ValueError(
            'the number of attention heads of a ViT of width '
            f'{embed_dim} cannot be inferred; give num_heads'
        )
    arch['num_heads'] = num_heads
    if arch.get('mlp_ratio') == 4:
        del arch['mlp_ratio']
    named = [name for name, known in ARCHS.items() if known == arch]
    return (
        dict(type='DinoViT') | config | dict(arch=named[0] if named else arch)
    )


def _backbone_config(weights: Mapping[str, Tensor], facts: ModelFacts) -> dict:
    prefix = 'backbone.'
    return dino_vit_config(
        {
            key.removeprefix(prefix): value
            for key, value in weights.items()
            if key.startswith(prefix)
        },
        facts,
    )


def _corrector_config(
    weights: Mapping[str, Tensor], slot_dim: int, token_dim: int
) -> dict:
    hidden = weights.get('corrector.mlp.1.weight')
    return dict(
        type='SlotAttention',
        slot_dim=slot_dim,
        token_dim=token_dim,
        kvq_dim=len(weights['corrector.to_k.weight']),
        mlp_dim=0 if hidden is None else len(hidden),
        use_gru='corrector.gru.weight_ih' in weights,
    )


def _predictor_config(
    weights: Mapping[str, Tensor], slot_dim: int, facts: ModelFacts
) -> dict | None:
    indices = {
        int(key.split('.')[2])
        for key in weights
        if key.startswith('predictor.blocks.')
    }
    if not indices:
        return None
    _require(weights, 'predictor.blocks.0.linear1.weight')
    return dict(
        type='TransformerPredictor',
        slot_dim=slot_dim,
        num_blocks=1 + max(indices),
        num_heads=facts.predictor_heads,
        mlp_dim=len(weights['predictor.blocks.0.linear1.weight']),
    )


def _decoder_config(
    weights: Mapping[str, Tensor], slot_dim: int, facts: ModelFacts
) -> dict:
    widths: list[int] = []
    while f'decoder.layers.{len(widths)}.weight' in weights:
        widths.append(len(weights[f'decoder.layers.{len(widths)}.weight']))
    _require(weights, 'decoder.layers.0.weight')
    count = weights['decoder.pos_emb'].shape[2]
    return dict(
        type='MLPDecoder',
        slot_dim=slot_dim,
        feat_dim=widths[-1] - 1,
        grid=grid_of(count, facts.grid, name='decoder.pos_emb'),
        hidden_dims=tuple(widths[:-1]),
    )


def _require(weights: Mapping[str, Tensor], *names: str) -> None:
    missing = [name for name in names if name not in weights]
    if missing:
        raise ValueError(f'the checkpoint lacks {", ".join(missing)}')
