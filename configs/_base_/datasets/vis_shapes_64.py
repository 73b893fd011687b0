# Moving shapes of four classes at 100:30:10:3, 64x64, 12 frames, made by
# `python tools/make_vis_shapes.py data/vis_shapes`.
train_pipeline = [
    dict(type='ClipFrameSample', num_frames=6, num_student_frames=2),
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadImageFromFile'),
            dict(type='mmdet.LoadTrackAnnotations', with_mask=True),
        ],
    ),
    dict(
        type='MinorPaste',
        ann_file='data/vis_shapes/train.json',
        frames_root='data/vis_shapes/frames',
        paste=dict(min_pixels=8),
    ),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='mmdet.Resize', scale=(64, 64), keep_ratio=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
        ],
    ),
    dict(type='mmdet.PackTrackInputs'),
]
test_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadImageFromFile'),
            dict(type='mmdet.LoadTrackAnnotations', with_mask=True),
            dict(type='mmdet.Resize', scale=(64, 64), keep_ratio=True),
        ],
    ),
    dict(type='mmdet.PackTrackInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='VisClips',
        ann_file='data/vis_shapes/train_frames.json',
        frames_root='data/vis_shapes/frames',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VisClips',
        ann_file='data/vis_shapes/val_frames.json',
        frames_root='data/vis_shapes/frames',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(
        type='VideoInstanceMetric',
        ann_file='data/vis_shapes/val.json',
        classwise=True,
    ),
    dict(type='QueryAssociationMetric'),
]
test_evaluator = val_evaluator
