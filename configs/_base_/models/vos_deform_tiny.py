# The quick student of mask propagation: 64 wide, one layer.
vos_deform_tiny = dict(
    type='VosModel',
    backbone=dict(type='ConvPyramid', dims=(16, 32, 48, 64)),
    propagator=dict(
        type='MaskPropagator',
        token_dim=64,
        num_layers=1,
        gdpm=dict(stride=2),
        memory=dict(policy='ref_ring', n_mem=3, gap=3, train_gap=2),
        radius=3,
        dropout=0.0,
        drop_path=0.0,
    ),
    num_objects=3,
    label_iters=300,
)
