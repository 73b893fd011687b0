# Real videos for query models: clips of six frames, two of them the student's.
# The leaves name the files; their frame annotations are made from the official
# ones by `python tools/dataset_converters/ytvis_frames.py`.
load_steps = [
    dict(type='ClipFrameSample', num_frames=6, num_student_frames=2),
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadImageFromFile'),
            dict(type='mmdet.LoadTrackAnnotations', with_mask=True),
        ],
    ),
]
augment_steps = [
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
    dataset=dict(type='VisClips'),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='VisClips', pipeline=test_pipeline, test_mode=True),
)
test_dataloader = val_dataloader
# The truth of the official validation sets is on servers: the result file
# goes there. Held-out training videos are scored by VideoInstanceMetric.
val_evaluator = dict(type='VideoResultWriter')
test_evaluator = val_evaluator
