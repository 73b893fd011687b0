# DAVIS for query models, all objects of one class, short side 128. Frames are
# read in place; the annotations are made by
# `python tools/dataset_converters/davis_ytvis.py $SLOTKD_DAVIS`.
#   SLOTKD_DAVIS: JPEGImages/480p, Annotations/480p, ImageSets/2017
frames_root = '{{$SLOTKD_DAVIS:data/DAVIS}}/JPEGImages/480p'
train_pipeline = [
    dict(type='ClipFrameSample', num_frames=3, num_student_frames=2),
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadImageFromFile'),
            dict(type='mmdet.LoadTrackAnnotations', with_mask=True),
        ],
    ),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='mmdet.Resize', scale=(256, 128), keep_ratio=True),
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
            dict(type='mmdet.Resize', scale=(256, 128), keep_ratio=True),
        ],
    ),
    dict(type='mmdet.PackTrackInputs'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='VisClips',
        ann_file='data/davis_vis/train_frames.json',
        frames_root=frames_root,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VisClips',
        ann_file='data/davis_vis/val_frames.json',
        frames_root=frames_root,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='VideoInstanceMetric', ann_file='data/davis_vis/val.json'
)
test_evaluator = val_evaluator
