# The label-free teacher on real videos, from scratch: it rebuilds a withheld
# colour channel (MAST) in crops of the train videos and reads no label.
_base_ = [
    '../_base_/models/color_resnet_tiny.py',
    '../_base_/datasets/vos_davis_241.py',
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
        type='VideoFolderDataset',
        data_root=_base_.data_root,
        frames_dir='JPEGImages/480p',
        split='ImageSets/2017/train.txt',
        clip_len=3,
        frame_stride=2,
        clip_mode='random',
        pipeline=[
            dict(type='ResizeVideo', short_side=241),
            dict(type='RandomCropVideo', size=129),
            dict(type='RandomFlipVideo', prob=0.5),
            dict(type='PackVideoInputs'),
        ],
    )
)
# Features have stride 4, and windows of 25 x 25 cells.
test_pipeline = [
    dict(type='ResizeVideo', short_side=241, with_masks=False),
    dict(type='PackVideoInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=1e-4))
param_scheduler = dict(decay_end=300)
train_cfg = dict(max_iters=300, val_interval=300)
