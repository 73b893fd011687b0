# Three or four moving shapes drawn on the fly, 32x32; needs no files.
# Training clips have 4 frames, held-out ones 6.
train_pipeline = [dict(type='PackVideoInputs')]
test_pipeline = [
    dict(type='ResizeVideo', size=32),
    dict(type='PackVideoInputs'),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='MovingShapes',
        num_videos=50_000,
        seed=0,
        num_frames=4,
        size=32,
        min_shapes=3,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='MovingShapes',
        num_videos=64,
        seed=1,
        num_frames=6,
        size=32,
        min_shapes=3,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='MovingShapes',
        num_videos=200,
        seed=2,
        num_frames=6,
        size=32,
        min_shapes=3,
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type='ObjectDiscoveryMetric', mask_size=32, num_frames=6)
test_evaluator = val_evaluator
