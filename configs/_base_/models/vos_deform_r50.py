# The teacher at published size: DeAOT-L's depth of three layers on ResNet-50
# up to stride 16; its memory is read at every cell. The file at
# SLOTKD_RESNET50 holds weights in the names of mmseg.ResNetV1c.
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
            checkpoint='{{$SLOTKD_RESNET50:checkpoints/resnet50_v1c.pth}}',
        ),
    ),
    propagator=dict(
        type='MaskPropagator',
        token_dim=256,
        num_layers=3,
        gdpm=dict(stride=1, range_cells=4, offset_cond='query_key'),
        memory=dict(policy='ref_ring', n_mem=3, gap=5, train_gap=2),
    ),
    num_objects=10,
    label_iters=50_000,
)
