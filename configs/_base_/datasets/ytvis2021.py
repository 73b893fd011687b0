# YouTube-VIS 2021 as it is unpacked: the annotated official train set, cut in
# two by the order of its video ids. The last 300 videos are scored, the
# others trained on, without their labels.
#   <data_root>/train.json or <data_root>/train/instances.json
#   <data_root>/train/JPEGImages/<video>/*.jpg
# Published numbers are those of the first 210 of the 300. Pixels of two
# instances are not scored; the published code stops at such pixels.
data_root = '{{$SLOTKD_DATA_ROOT:data/ytvis_2021}}'
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
        type='YTVISDataset',
        data_root=data_root,
        ann_file=['train.json', 'train/instances.json'],
        frames_dir='train/JPEGImages',
        with_masks=False,
        video_range=(None, -300),
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
        type='YTVISDataset',
        data_root=data_root,
        ann_file=['train.json', 'train/instances.json'],
        frames_dir='train/JPEGImages',
        video_range=(-300, None),
        ignore_overlaps=True,
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
