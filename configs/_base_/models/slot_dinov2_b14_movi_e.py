# SlotContrast on MOVi-E: DINOv2 ViT-B/14 at 336 px,
# 24x24 patches, 15 slots of width 128.
slot_dinov2_b14_movi_e = dict(
    type='SlotVideoModel',
    backbone=dict(
        type='DinoViT',
        arch='base',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/dinov2/'
            'dinov2_vitb14/dinov2_vitb14_pretrain.pth',
        ),
    ),
    neck=dict(type='FeatureMLP', feat_dim=768, out_dim=128),
    initializer=dict(type='LearnedInitializer', num_slots=15, slot_dim=128),
    corrector=dict(type='SlotAttention', slot_dim=128, token_dim=128),
    predictor=dict(type='TransformerPredictor', slot_dim=128),
    decoder=dict(
        type='MLPDecoder',
        slot_dim=128,
        feat_dim=768,
        grid=(24, 24),
        hidden_dims=(1024, 1024, 1024),
    ),
    losses=dict(
        recon=dict(type='FeatureReconstructionLoss', loss_weight=1.0),
        slot_contrast=dict(
            type='SlotContrastLoss', temperature=0.1, loss_weight=0.5
        ),
    ),
)
