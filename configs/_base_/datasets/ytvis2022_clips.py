# YouTube-VIS 2022 for query models: clips of six frames, two of them the
# student's. The frame annotations are made from the official files by
# `python tools/dataset_converters/ytvis_frames.py`.
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
        ann_file='data/ytvis_2022/train.json',
        frames_root='data/ytvis_2022/train/JPEGImages',
    ),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            # One of the two for each clip.
            dict(
                type='RandomChoiceResize',
                scales=[(640, 360), (853, 480)],
                resize_type='mmdet.Resize',
                keep_ratio=True,
            ),
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
            dict(type='mmdet.Resize', scale=(640, 360), keep_ratio=True),
        ],
    ),
    dict(type='mmdet.PackTrackInputs'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='VisClips',
        ann_file='data/ytvis_2022/train_frames.json',
        frames_root='data/ytvis_2022/train/JPEGImages',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VisClips',
        ann_file='data/ytvis_2022/valid_frames.json',
        frames_root='data/ytvis_2022/valid/JPEGImages',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
# The truth of the official validation set is on a server: the result file
# goes there. Held-out training videos are scored by VideoInstanceMetric.
val_evaluator = dict(
    type='VideoResultWriter',
    out_file='work_dirs/results/ytvis2022/results.json',
)
test_evaluator = val_evaluator
