# A slot model on MobileNetV2 features at stride 16 (96 channels, frozen),
# the teacher: 128 wide slots, slot mixer 2x256. For 224x224 frames.
# The leaves normalise to [-1, 1]: weights trained otherwise (torchvision,
# OpenMMLab) need their own mean and std in data_preprocessor.
slot_mobilenetv2_wide = dict(
    type='SlotVideoModel',
    backbone=dict(
        type='ImageBackbone',
        backbone=dict(
            type='mmseg.MobileNetV2',
            strides=(1, 2, 2, 2, 1, 2, 1),
            out_indices=(4,),
        ),
        feat_dim=96,
        normalize=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$SLOTKD_MOBILENETV2:checkpoints/mobilenet_v2.pth}}',
        ),
    ),
    neck=dict(type='FeatureMLP', feat_dim=96, out_dim=128),
    initializer=dict(type='LearnedInitializer', num_slots=4, slot_dim=128),
    corrector=dict(type='SlotAttention', slot_dim=128, token_dim=128),
    predictor=dict(
        type='TransformerPredictor', slot_dim=128, logit_scale='divide'
    ),
    decoder=dict(
        type='SlotMixerDecoder',
        slot_dim=128,
        feat_dim=96,
        grid=(14, 14),
        hidden_dims=(256, 256),
    ),
    num_iters_first=4,
    num_iters=2,
    losses=dict(
        recon=dict(type='FeatureReconstructionLoss', loss_weight=1.0),
        slot_contrast=dict(type='SlotContrastLoss', loss_weight=0.02),
    ),
)
