# DAVIS 2017 at 480p, scored on the central square of the validation
# sequences; training as on YouTube-VIS. The masks of the unsupervised
# package are read, for validation only.
data_root = '{{$SLOTKD_DATA_ROOT:data/DAVIS}}'
train_pipeline = [
    dict(type='ResizeVideo', short_side=518, interpolation='bicubic'),
    dict(type='RandomCropVideo', size=518),
    dict(type='PackVideoInputs'),
]
test_pipeline = [
    dict(type='ResizeVideo', short_side=518, interpolation='bicubic'),
    dict(type='CenterCropVideo', size=518),
    dict(type='PackVideoInputs'),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='VideoFolderDataset',
        data_root=data_root,
        frames_dir='JPEGImages/480p',
        split='ImageSets/2017/train.txt',
        clip_len=4,
        clip_mode='blocks',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VideoFolderDataset',
        data_root=data_root,
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations_unsupervised/480p',
        split='ImageSets/2017/val.txt',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ObjectDiscoveryMetric', mask_size=518)
test_evaluator = val_evaluator
