# The image model of SSync on COCO, clips of one frame: DINOv2
# ViT-S/14 at 224 px, 16x16 patches, 7 slots of width 64.
slot_dinov2_s14_coco = dict(
    type='SlotVideoModel',
    backbone=dict(
        type='DinoViT',
        arch='small',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/dinov2/'
            'dinov2_vits14/dinov2_vits14_pretrain.pth',
        ),
    ),
    neck=dict(type='FeatureMLP', feat_dim=384, out_dim=64),
    initializer=dict(type='LearnedInitializer', num_slots=7, slot_dim=64),
    corrector=dict(type='SlotAttention', slot_dim=64, token_dim=64),
    predictor=dict(type='TransformerPredictor', slot_dim=64),
    decoder=dict(
        type='MLPDecoder',
        slot_dim=64,
        feat_dim=384,
        grid=(16, 16),
        hidden_dims=(2048, 2048, 2048),
    ),
    losses=dict(
        recon=dict(type='FeatureReconstructionLoss', loss_weight=1.0),
        slot_contrast=dict(
            type='SlotContrastLoss', temperature=0.1, loss_weight=0.5
        ),
    ),
)
