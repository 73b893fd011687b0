# Moving textured shapes drawn on the fly, 96x96; needs no files. Training
# clips are 4 of the 12 frames of a video. Validation and test videos are
# other families than those of training. Models resize frames to 97x97.
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='VosClipDataset',
        dataset=dict(type='MovingTexturedShapes', num_videos=50_000, seed=0),
        num_frames=4,
        max_gap=2,
        merge_prob=0,
        min_pixels=100,
        min_object_pixels=40,
        max_objects=3,
        pipeline=[dict(type='PackVideoInputs')],
    ),
)
test_pipeline = [dict(type='PackVideoInputs')]
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='MovingTexturedShapes',
        num_videos=16,
        seed=1,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='MovingTexturedShapes',
        num_videos=64,
        seed=2,
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type='DavisMetric', protocol='semi-supervised')
test_evaluator = val_evaluator
