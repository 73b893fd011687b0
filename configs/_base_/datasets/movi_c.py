# MOVi-C in the tars of SlotContrast's converter, read in place:
#   <data_root>/movi_c-train-{000000..000304}.tar       32 videos each
#   <data_root>/movi_c-validation-{000000..000007}.tar  250 videos in all
# Training as published: 4 consecutive frames, one of the video's blocks per
# visit, batch 64. The published loader draws videos with replacement.
# Other storage: movi_c_tfds.py, or VideoArrayDataset for numpy archives.
data_root = '{{$SLOTKD_DATA_ROOT:data/movi_c}}'
train_pipeline = [
    dict(type='ResizeVideo', size=336, interpolation='bicubic'),
    dict(type='RandomFlipVideo', prob=0.5),
    dict(type='PackVideoInputs'),
]
test_pipeline = [
    dict(type='ResizeVideo', size=336, interpolation='bicubic'),
    dict(type='PackVideoInputs'),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='VideoTarDataset',
        data_root=data_root,
        shards='movi_c-train-{000000..000304}.tar',
        with_masks=False,
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
        type='VideoTarDataset',
        data_root=data_root,
        shards='movi_c-validation-{000000..000007}.tar',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='ObjectDiscoveryMetric', mask_size=336, num_frames=24
)
test_evaluator = val_evaluator
