# Mask propagation for small machines: frozen MobileNetV2, 96 wide, one layer,
# the memory read at stride 2. The leaves normalise to [-1, 1]: weights
# trained otherwise need their own mean and std in data_preprocessor.
# Few masks teach little of what is alike and near: tokens are MobileNetV2's
# first features at stride 16, whose nearest neighbours are the best, attention
# knows distances, and memories hold given masks throughout.
vos_mobilenetv2_narrow = dict(
    type='VosModel',
    backbone=dict(
        type='ImagePyramid',
        backbone=dict(
            type='mmseg.MobileNetV2',
            strides=(1, 2, 2, 2, 1, 1, 1),
            dilations=(1, 1, 1, 1, 1, 2, 2),
            out_indices=(1, 2, 3),
        ),
        frozen=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$SLOTKD_MOBILENETV2:checkpoints/mobilenet_v2.pth}}',
        ),
    ),
    propagator=dict(
        type='MaskPropagator',
        token_dim=96,
        num_layers=1,
        gdpm=dict(stride=2, pos_bias='log_cpb'),
        memory=dict(policy='ref_ring', n_mem=3, gap=3, train_gap=2),
        radius=5,
        dropout=0.0,
        drop_path=0.0,
    ),
    num_objects=3,
    label_iters=400,
)
