# A slot model on fixed colour features, 16x16 patches of 32x32 frames:
# the student of the quick start.
slot_color_narrow = dict(
    type='SlotVideoModel',
    backbone=dict(type='ColorHistogram', patch_size=2),
    neck=dict(type='FeatureMLP', feat_dim=27, out_dim=32),
    initializer=dict(type='LearnedInitializer', num_slots=7, slot_dim=32),
    corrector=dict(type='SlotAttention', slot_dim=32, token_dim=32),
    predictor=dict(
        type='TransformerPredictor', slot_dim=32, logit_scale='divide'
    ),
    decoder=dict(
        type='SlotRelativeDecoder',
        slot_dim=32,
        feat_dim=27,
        hidden_dims=(32, 32),
    ),
    num_iters_first=4,
    num_iters=1,
    losses=dict(
        recon=dict(type='FeatureReconstructionLoss', loss_weight=1.0),
        slot_contrast=dict(type='SlotContrastLoss', loss_weight=0.02),
    ),
)
