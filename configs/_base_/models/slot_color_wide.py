# A slot model on fixed colour features, 16x16 patches of 32x32 frames:
# the teacher of the quick start.
slot_color_wide = dict(
    type='SlotVideoModel',
    backbone=dict(type='ColorHistogram', patch_size=2),
    neck=dict(type='FeatureMLP', feat_dim=27, out_dim=64),
    initializer=dict(type='LearnedInitializer', num_slots=7, slot_dim=64),
    corrector=dict(type='SlotAttention', slot_dim=64, token_dim=64),
    predictor=dict(
        type='TransformerPredictor', slot_dim=64, logit_scale='divide'
    ),
    decoder=dict(
        type='SlotRelativeDecoder',
        slot_dim=64,
        feat_dim=27,
        hidden_dims=(64, 64, 64),
    ),
    num_iters_first=4,
    num_iters=1,
    losses=dict(
        recon=dict(type='FeatureReconstructionLoss', loss_weight=1.0),
        slot_contrast=dict(type='SlotContrastLoss', loss_weight=0.02),
    ),
)
