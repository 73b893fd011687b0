# Mask propagation on MobileNetV2 at output stride 16, one layer: the size of
# DeAOT-T, with the deformable memory read. The student.
# Weights of torchvision or OpenMMLab: ImageNet statistics in
# data_preprocessor, which are its default.
vos_deform_mv2 = dict(
    type='VosModel',
    backbone=dict(
        type='ImagePyramid',
        backbone=dict(
            type='mmseg.MobileNetV2',
            strides=(1, 2, 2, 2, 1, 1, 1),
            dilations=(1, 1, 1, 1, 1, 2, 2),
            out_indices=(1, 2, 4, 6),
            frozen_stages=2,
            norm_eval=True,
        ),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$SLOTKD_MOBILENETV2:checkpoints/mobilenet_v2.pth}}',
        ),
    ),
    propagator=dict(
        type='MaskPropagator',
        token_dim=256,
        num_layers=1,
        gdpm=dict(
            where='long',
            stride=2,
            range_cells=4,
            groups=1,
            offset_cond='query_key',
            carry=0.0,
            pos_bias='none',
            bank='dense',
        ),
        memory=dict(policy='ref_ring', n_mem=3, gap=5),
    ),
    num_objects=10,
)
