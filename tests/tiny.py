"""Tiny models for tests: every part real, every number small."""

import torch

from slotkd.models.video import SlotVideoModel


def slot_model(
    num_slots: int = 4,
    slot_dim: int = 16,
    grid: tuple[int, int] = (4, 6),
    **parts,
) -> dict:
    """Return the config of a slot model on 4-pixel patches."""
    config = dict(
        type='SlotVideoModel',
        backbone=dict(type='PatchPixels', patch_size=4, cells=2),
        neck=dict(type='FeatureMLP', feat_dim=12, out_dim=slot_dim),
        initializer=dict(
            type='LearnedInitializer', num_slots=num_slots, slot_dim=slot_dim
        ),
        corrector=dict(
            type='SlotAttention', slot_dim=slot_dim, token_dim=slot_dim
        ),
        predictor=dict(type='TransformerPredictor', slot_dim=slot_dim),
        decoder=dict(
            type='MLPDecoder',
            slot_dim=slot_dim,
            feat_dim=12,
            grid=grid,
            hidden_dims=(24, 24),
        ),
        losses=dict(
            recon=dict(type='FeatureReconstructionLoss'),
            slot_contrast=dict(type='SlotContrastLoss', loss_weight=0.5),
        ),
    )
    return config | parts


def clips(
    batch: int = 2, frames: int = 3, grid: tuple[int, int] = (4, 6)
) -> torch.Tensor:
    """Return random normalised clips whose patches fill a grid."""
    h, w = grid
    return torch.randn(batch, frames, 3, 4 * h, 4 * w)


def build(config: dict) -> SlotVideoModel:
    """Build a model from its config."""
    config = dict(config)
    config.pop('type')
    return SlotVideoModel(**config)
