# The label-free teacher at published size (MAST) on YouTube-VOS 2019; no label
# is read. Clips are cut at 257, since it compares at stride 4.
_base_ = [
    '../_base_/models/color_resnet18.py',
    '../_base_/datasets/vos_davis2017_465.py',
    '../_base_/schedules/vos_50k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.color_resnet18,
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='VideoFolderDataset',
        data_root=_base_.ytvos_root,
        frames_dir='train/JPEGImages',
        clip_len=3,
        clip_mode='random',
        skip_short=True,
        pipeline=[
            dict(type='RandomScaleVideo', scale=(0.5, 1.0), min_size=257),
            dict(type='RandomCropVideo', size=257),
            dict(type='RandomFlipVideo', prob=0.5),
            dict(type='PackVideoInputs'),
        ],
    )
)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    constructor='SlotKDOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=1e-3),
    clip_grad=dict(max_norm=5.0, error_if_nonfinite=True),
)
