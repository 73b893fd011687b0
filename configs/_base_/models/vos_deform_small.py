# The quick teacher of mask propagation: 96 wide, two layers, the memory read
# at every cell.
vos_deform_small = dict(
    type='VosModel',
    backbone=dict(type='ConvPyramid', dims=(24, 48, 72, 96)),
    propagator=dict(
        type='MaskPropagator',
        token_dim=96,
        num_layers=2,
        gdpm=dict(stride=1),
        memory=dict(policy='ref_ring', n_mem=3, gap=3, train_gap=2),
        radius=3,
        dropout=0.0,
        drop_path=0.0,
    ),
    num_objects=3,
    label_iters=300,
)
