# The quick label-free teacher: features at stride 4 that copy colour, from
# half the width of the first two stages of a ResNet-18.
color_resnet_tiny = dict(
    type='ColorPropagation',
    backbone=dict(
        type='ImageBackbone',
        backbone=dict(
            type='mmseg.ResNet',
            depth=18,
            num_stages=2,
            strides=(1, 1),
            dilations=(1, 1),
            out_indices=(1,),
            base_channels=32,
            norm_eval=False,
        ),
        frozen=False,
    ),
    dim=64,
    train_radius=6,
    radius=12,
    max_objects=3,
)
