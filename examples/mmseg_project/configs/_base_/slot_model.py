"""A small slot model on fixed colours: 4-pixel patches, 7 slots."""

slot_model = dict(
    type='SlotVideoModel',
    _scope_='slotkd',
    backbone=dict(type='ColorHistogram', patch_size=4),
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
)
