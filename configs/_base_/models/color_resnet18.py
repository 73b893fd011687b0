# The label-free teacher at published size: MAST's ResNet-18 at stride 4, 64
# wide features, radius 6 in training and 12 in propagation. From scratch.
color_resnet18 = dict(
    type='ColorPropagation',
    backbone=dict(
        type='ImageBackbone',
        backbone=dict(
            type='mmseg.ResNet',
            depth=18,
            strides=(1, 1, 1, 1),
            dilations=(1, 1, 1, 1),
            out_indices=(3,),
            norm_eval=False,
        ),
        frozen=False,
    ),
    dim=64,
    train_radius=6,
    radius=12,
    max_objects=10,
)
