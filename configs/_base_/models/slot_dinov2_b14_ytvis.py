# SlotContrast on YTVIS-2021, and on DAVIS-2017 with the same sizes: DINOv2
# ViT-B/14 at 518 px, 37x37 patches, 7 slots of width 64.
slot_dinov2_b14_ytvis = dict(
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
    neck=dict(type='FeatureMLP', feat_dim=768, out_dim=64),
    initializer=dict(type='LearnedInitializer', num_slots=7, slot_dim=64),
    corrector=dict(type='SlotAttention', slot_dim=64, token_dim=64),
    predictor=dict(type='TransformerPredictor', slot_dim=64),
    decoder=dict(
        type='MLPDecoder',
        slot_dim=64,
        feat_dim=768,
        grid=(37, 37),
        hidden_dims=(1024, 1024, 1024),
    ),
    losses=dict(
        recon=dict(type='FeatureReconstructionLoss', loss_weight=1.0),
        slot_contrast=dict(
            type='SlotContrastLoss', temperature=0.1, loss_weight=0.5
        ),
    ),
)
