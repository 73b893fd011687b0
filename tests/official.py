"""Files in the layout of the official SlotContrast code, for tests."""

import re

import torch
from torch import Tensor, nn

from slotkd.registry import MODELS

VIT = 'encoder.module.backbone.model.'
FACTS = dict(num_heads=3, input_size=[42, 56], position_grid=[5, 5])


def slot_model(**changes) -> dict:
    """Return the config of a tiny SlotContrast model on 3x4 patches."""
    config = dict(
        type='SlotVideoModel',
        backbone=dict(
            type='DinoViT',
            arch=dict(embed_dim=12, depth=2, num_heads=3),
            img_size=70,
            allow_random=True,
        ),
        neck=dict(type='FeatureMLP', feat_dim=12, out_dim=8),
        initializer=dict(type='LearnedInitializer', num_slots=3, slot_dim=8),
        corrector=dict(type='SlotAttention', slot_dim=8, token_dim=8),
        predictor=dict(type='TransformerPredictor', slot_dim=8),
        decoder=dict(
            type='MLPDecoder',
            slot_dim=8,
            feat_dim=12,
            grid=(3, 4),
            hidden_dims=(10, 14),
        ),
    )
    return config | changes


def build(config: dict) -> nn.Module:
    """Build a model with noise in every parameter."""
    model = MODELS.build(config)
    for parameter in model.parameters():
        if not parameter.is_meta:
            parameter.data += 0.3 * torch.randn_like(parameter)
    return model.eval()


def official_name(name: str) -> str:
    """Return the official name of a weight of a SlotVideoModel."""
    layer = re.match(r'decoder\.layers\.(\d+)\.(\w+)', name)
    if layer:
        return f'decoder.module.mlp.layers.{2 * int(layer[1])}.{layer[2]}'
    for pattern, official in (
        (r'^backbone\.', VIT),
        (r'^neck\.', 'encoder.module.output_transform.'),
        (r'^corrector\.norm_tokens', 'corrector.norm_features'),
        (r'^corrector\.mlp\.', 'corrector.mlp.layers.'),
        (
            r'^predictor\.blocks\.(\d+)\.(qkv|out_proj)',
            r'predictor.blocks.\1.self_attn.\2',
        ),
        (r'^(corrector|predictor)\.', r'processor.module.\1.'),
        (r'^decoder\.', 'decoder.module.'),
    ):
        name = re.sub(pattern, official, name)
    return name


def official_state(
    model: nn.Module, with_norm: bool = False
) -> dict[str, Tensor]:
    """Return a model's weights as the official code saves them."""
    return {
        official_name(name): value
        for name, value in model.state_dict().items()
        if with_norm or not name.startswith('backbone.norm.')
    }
