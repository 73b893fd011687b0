# The quick teacher of the label-free mode: it rebuilds a withheld colour
# channel (MAST) and reads no label.
_base_ = [
    '../_base_/models/color_resnet_tiny.py',
    '../_base_/datasets/textured_shapes_96.py',
    '../_base_/schedules/vos_quick_400.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.color_resnet_tiny,
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MovingTexturedShapes',
        num_videos=50_000,
        seed=0,
        clip_len=4,
        clip_mode='random',
        pipeline=[
            dict(type='ResizeVideo', size=97),
            dict(type='PackVideoInputs'),
        ],
    )
)
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=1e-4))
param_scheduler = dict(decay_end=300)
train_cfg = dict(max_iters=300, val_interval=300)
