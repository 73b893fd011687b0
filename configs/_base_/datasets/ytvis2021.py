# YouTube-VIS 2021, the annotated official train set, cut in two by the order
# of its video ids: the last 300 videos are scored, the others trained on.
#   <data_root>/JPEGImages/<video>/*.jpg
#   <data_root>/Annotations/<video>/*.png   instance ids, of the last 300
#   <data_root>/train.txt, <data_root>/val.txt   names in order of the ids
# Published numbers are those of the first 210 of the 300.
data_root = '{{$SLOTKD_DATA_ROOT:data/ytvis2021}}'
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
        frames_dir='JPEGImages',
        split='train.txt',
        clip_len=4,
        clip_mode='blocks',
        skip_short=True,
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
        frames_dir='JPEGImages',
        masks_dir='Annotations',
        split='val.txt',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='ObjectDiscoveryMetric',
    background='none',
    mask_size=518,
    subsets=dict(first210=210),
)
test_evaluator = val_evaluator
