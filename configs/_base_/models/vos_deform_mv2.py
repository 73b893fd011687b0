# The student at published size: DeAOT-T's MobileNetV2 at output stride 16 by
# dilation, 256 wide, one layer; its long-term read is deformable. Where the
# paper's settings are not public, ours: stride 2, offsets from query and key.
# Stem and the stages up to stride 4 are frozen, and so are batch norms. The
# file at SLOTKD_MOBILENETV2 holds weights in the names of mmseg.MobileNetV2.
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
        gdpm=dict(stride=2, range_cells=4, offset_cond='query_key'),
        memory=dict(policy='ref_ring', n_mem=3, gap=5, train_gap=2),
    ),
    num_objects=10,
    label_iters=25_000,
)
