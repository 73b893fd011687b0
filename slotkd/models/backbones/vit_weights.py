"""Key maps from published DINOv2 files to the names of DinoViT.

======================== ====================================================
layout                   keys
======================== ====================================================
official                 ``cls_token``, ``pos_embed``, ``mask_token``,
                         ``register_tokens``, ``patch_embed.proj``,
                         ``blocks.i.*``, ``norm``
timm                     the same without mask token; with registers
                         ``reg_token``, the class position folded into
                         ``cls_token`` and ``pos_embed`` without its row
SlotContrast, SSync, SRL timm's under ``encoder.module.backbone.model.``, the
                         final ``norm`` may be missing
Hugging Face             ``embeddings.*``, ``encoder.layer.i.*``,
                         ``layernorm``; versions 4 and 5 spell attention and
                         the gated layer differently
======================== ====================================================
"""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

SLOTCONTRAST_PREFIX = 'encoder.module.backbone.model.'

# Whole modules that some files hold and a feature extractor does not use.
_UNUSED = re.compile(r'mask_token$|(head|fc_norm|classifier|pooler)\.')

_HF_NAMES = {
    'embeddings.cls_token': 'cls_token',
    'embeddings.mask_token': 'mask_token',
    'embeddings.position_embeddings': 'pos_embed',
    'embeddings.register_tokens': 'register_tokens',
    'embeddings.patch_embeddings.projection': 'patch_embed.proj',
    'layernorm': 'norm',
    # version 4 / version 5
    'attention.attention.query': 'attn.q',
    'attention.attention.key': 'attn.k',
    'attention.attention.value': 'attn.v',
    'attention.output.dense': 'attn.proj',
    'attention.q_proj': 'attn.q',
    'attention.k_proj': 'attn.k',
    'attention.v_proj': 'attn.v',
    'attention.o_proj': 'attn.proj',
    'layer_scale1.lambda1': 'ls1.gamma',
    'layer_scale2.lambda1': 'ls2.gamma',
    'mlp.weights_in': 'mlp.w12',
    'mlp.weights_out': 'mlp.w3',
    'mlp.gate_proj': 'mlp.w1',
    'mlp.up_proj': 'mlp.w2',
    'mlp.down_proj': 'mlp.w3',
}
_HF_BLOCK = re.compile(r'encoder\.layer\.(\d+)\.')
_HF_PREFIX = re.compile(r'^(dinov2|dinov2_with_registers|backbone)\.')
_FUSED = {'attn.qkv': ('q', 'k', 'v'), 'mlp.w12': ('w1', 'w2')}


def to_dino_vit(
    tensors: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], set[str]]:
    """Rename the tensors of a published file to those of DinoViT.

    The layout is recognised by its keys. Keys that fit no name of the layout
    are handed on as they are, so that a strict comparison with the model
    lists them.

    Args:
        tensors: Tensors of an official, timm, SlotContrast or Hugging Face
            file.

    Returns:
        The renamed tensors, and the keys that hold no part of the backbone
        (mask token, classifier heads, the slot modules of SlotContrast).

    Raises:
        ValueError: If the file is of none of these layouts, or holds part of
            a projection only.
    """
    kept, unused = _backbone_only(tensors)
    if any('embeddings.patch_embeddings.' in key for key in kept):
        kept = _from_hugging_face(kept)
    elif 'patch_embed.proj.weight' not in kept:
        found = ', '.join(sorted(tensors)[:4])
        raise ValueError(
            'no DINOv2 layout holds patch_embed.proj.weight; the file has '
            f'{found}, ...'
        )
    renamed = _unfold_class_position(_with_mlp_names(kept))
    heads = {key for key in renamed if _UNUSED.match(key)}
    return {k: v for k, v in renamed.items() if k not in heads}, unused | heads


def vit_sizes(
    weights: Mapping[str, Tensor], grid: tuple[int, int] | None = None
) -> dict:
    """Read the sizes of a DinoViT off its weights.

    Args:
        weights: Tensors as :func:`to_dino_vit` returns them.
        grid: Grid (h, w) of the position table; None takes it for a square.

    Returns:
        ``arch`` (without ``num_heads``, which no shape shows), ``patch_size``,
        ``img_size`` (h, w) and ``num_registers``.

    Raises:
        ValueError: If the position table does not have this grid.
    """
    projection = weights['patch_embed.proj.weight']
    embed_dim, _, patch_size, _ = projection.shape
    h, w = grid_of(weights['pos_embed'].shape[1] - 1, grid, name='pos_embed')
    blocks = {int(k.split('.')[1]) for k in weights if k.startswith('blocks.')}
    gated = 'blocks.0.mlp.w12.weight' in weights
    arch: dict = dict(embed_dim=embed_dim, depth=1 + max(blocks))
    if gated:
        arch['ffn'] = 'swiglu'
    else:
        hidden_dim = len(weights['blocks.0.mlp.fc1.weight'])
        arch['mlp_ratio'] = hidden_dim / embed_dim
    registers = weights.get('register_tokens')
    return dict(
        arch=arch,
        patch_size=patch_size,
        img_size=(h * patch_size, w * patch_size),
        num_registers=0 if registers is None else registers.shape[1],
    )


def grid_of(
    count: int, grid: tuple[int, int] | None, *, name: str
) -> tuple[int, int]:
    """Return the grid (h, w) of a number of patches.

    Args:
        count: Number of patches.
        grid: The grid if known; None takes it for a square.
        name: What has the patches, for the error.

    Raises:
        ValueError: If the number is no square, or not that of the grid.
    """
    side = round(count**0.5)
    h, w = grid or (side, side)
    if h * w != count:
        known = f'which is not {h}x{w}' if grid else 'which is no square'
        raise ValueError(f'{name} has {count} patch positions, {known}')
    return h, w


def _backbone_only(
    tensors: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], set[str]]:
    """Take the backbone out of a SlotContrast file."""
    prefix = SLOTCONTRAST_PREFIX
    if not any(key.startswith(prefix) for key in tensors):
        return dict(tensors), set()
    kept = {
        key.removeprefix(prefix): value
        for key, value in tensors.items()
        if key.startswith(prefix)
    }
    return kept, {key for key in tensors if not key.startswith(prefix)}


def _from_hugging_face(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = {_hf_name(key): value for key, value in tensors.items()}
    return _fuse(renamed)


def _hf_name(key: str) -> str:
    name = _HF_BLOCK.sub(r'blocks.\1.', _HF_PREFIX.sub('', key))
    block = re.match(r'blocks\.\d+\.', name)
    head, inner = (block[0], name[block.end() :]) if block else ('', name)
    for old, new in _HF_NAMES.items():
        if inner == old or inner.startswith(old + '.'):
            return head + new + inner.removeprefix(old)
    return name


def _fuse(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Join separate projections to the fused ones of the official model."""
    fused = dict(tensors)
    for target, parts in _FUSED.items():
        module = target.split('.')[0]
        first = re.compile(rf'(blocks\.\d+)\.{module}\.{parts[0]}\.(\w+)$')
        for block, kind in _groups(first, tensors):
            names = [f'{block}.{module}.{part}.{kind}' for part in parts]
            absent = [name for name in names if name not in fused]
            if absent:
                raise ValueError(f'{target} lacks {", ".join(absent)}')
            pieces = [fused.pop(name) for name in names]
            fused[f'{block}.{target}.{kind}'] = torch.cat(pieces)
    return fused


def _groups(
    pattern: re.Pattern, names: Iterable[str]
) -> list[tuple[str, str]]:
    matches = (pattern.match(name) for name in names)
    return [(m[1], m[2]) for m in matches if m]


def _with_mlp_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give timm's packed gated layer its official names."""
    inner = tensors.get('blocks.0.mlp.fc2.weight')
    outer = tensors.get('blocks.0.mlp.fc1.weight')
    if inner is None or outer is None or len(outer) == inner.shape[1]:
        return dict(tensors)
    return {
        key.replace('.mlp.fc1.', '.mlp.w12.').replace(
            '.mlp.fc2.', '.mlp.w3.'
        ): value
        for key, value in tensors.items()
    }


def _unfold_class_position(
    tensors: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Give timm's register models the class position back, as zero."""
    if 'reg_token' not in tensors:
        return dict(tensors)
    unfolded = {k: v for k, v in tensors.items() if k != 'reg_token'}
    unfolded['register_tokens'] = tensors['reg_token']
    patches = tensors['pos_embed']
    nothing = torch.zeros_like(patches[:, :1])
    unfolded['pos_embed'] = torch.cat([nothing, patches], dim=1)
    return unfolded
