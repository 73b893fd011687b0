# Mask propagation on ResNet-50 (first three stages), three layers: the size
# of R50-DeAOT-L, with the deformable memory read at stride 1. The teacher.
vos_deform_r50 = dict(
    type='VosModel',
    backbone=dict(
        type='ImagePyramid',
        backbone=dict(
            type='mmseg.ResNetV1c',
            depth=50,
            num_stages=3,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=(0, 1, 2),
            frozen_stages=1,
            norm_eval=True,
        ),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{$SLOTKD_RESNET50_V1C:checkpoints/resnet50_v1c.pth}}',
        ),
    ),
    propagator=dict(
        type='MaskPropagator',
        token_dim=256,
        num_layers=3,
        gdpm=dict(
            where='long',
            stride=1,
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
