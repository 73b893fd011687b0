"""Reads the private golden arrays and compares with their tolerances."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from slotkd.registry import MODELS


def load(shared: Path, name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a golden file."""
    with np.load(shared / 'golden' / 'a' / f'{name}.npz') as arrays:
        return {key: arrays[key] for key in arrays.files}


def prefixed(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    """Return the arrays below a prefix as tensors, the prefix cut off."""
    return {
        key.removeprefix(prefix): torch.as_tensor(value)
        for key, value in arrays.items()
        if key.startswith(prefix)
    }


def assert_near(actual: Tensor, expected, rtol: float = 5e-5) -> None:
    """Compare to rtol times max(1, largest reference of the array)."""
    expected = torch.as_tensor(expected)
    assert actual.shape == expected.shape
    bound = rtol * max(1.0, float(expected.abs().max()))
    assert float((actual.detach() - expected).abs().max()) <= bound


def load_named(
    module: nn.Module, weights: dict[str, Tensor], names: dict[str, str]
) -> None:
    """Load weights strictly after replacing parts of their names."""
    module.load_state_dict(
        {renamed(key, names): value for key, value in weights.items()}
    )


def renamed(key: str, names: dict[str, str]) -> str:
    """Replace the parts of a parameter name."""
    for old, new in names.items():
        key = key.replace(old, new)
    return key


SLOT_ATTENTION_NAMES = {'norm_features': 'norm_tokens', 'mlp.layers': 'mlp'}
PREDICTOR_NAMES = {'self_attn.': ''}
DECODER_NAMES = {f'mlp.layers.{2 * i}': f'layers.{i}' for i in range(8)}
OFFICIAL_NAMES = {
    'encoder.module.backbone.model.': 'backbone.',
    'encoder.module.output_transform.': 'neck.',
    'processor.module.corrector.norm_features': 'corrector.norm_tokens',
    'processor.module.corrector.mlp.layers': 'corrector.mlp',
    'processor.module.': '',
    'self_attn.': '',
    'decoder.module.': 'decoder.',
    'decoder.mlp.layers.0': 'decoder.layers.0',
    'decoder.mlp.layers.2': 'decoder.layers.1',
    'decoder.mlp.layers.4': 'decoder.layers.2',
    'decoder.mlp.layers.6': 'decoder.layers.3',
}


def official_tiny(shared):
    """Return the official tiny model's twin with its weights."""
    model = MODELS.build(
        dict(
            type='SlotVideoModel',
            backbone=dict(
                type='DinoViT',
                arch=dict(embed_dim=36, depth=2, num_heads=3),
                img_size=112,
                allow_random=True,
            ),
            neck=dict(type='FeatureMLP', feat_dim=36, out_dim=16),
            initializer=dict(
                type='LearnedInitializer', num_slots=5, slot_dim=16
            ),
            corrector=dict(type='SlotAttention', slot_dim=16, token_dim=16),
            predictor=dict(type='TransformerPredictor', slot_dim=16),
            decoder=dict(
                type='MLPDecoder',
                slot_dim=16,
                feat_dim=36,
                grid=(6, 6),
                hidden_dims=(64, 48, 56),
            ),
            losses=dict(
                recon=dict(type='FeatureReconstructionLoss'),
                slot_contrast=dict(type='SlotContrastLoss', loss_weight=0.5),
            ),
        )
    )
    path = shared / 'golden' / 'a' / 'slotcontrast_tiny_step0.ckpt'
    weights = torch.load(path, weights_only=True)['state_dict']
    weights = {
        renamed(key, OFFICIAL_NAMES): value for key, value in weights.items()
    }
    # The file leaves the final norm out, which nothing here reads.
    model.load_state_dict(weights, strict=True)
    return model
