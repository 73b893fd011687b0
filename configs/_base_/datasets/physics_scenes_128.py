# Videos of tools/make_scenes.py, layout npz, any level:
#   <data_root>/{train,validation}_*.npz
# Masks are read for validation only.
data_root = '{{$SLOTKD_DATA_ROOT:data/scenes_a}}'
train_pipeline = [
    dict(type='ResizeVideo', size=128),
    dict(type='RandomFlipVideo', prob=0.5),
    dict(type='PackVideoInputs'),
]
test_pipeline = [
    dict(type='ResizeVideo', size=128),
    dict(type='PackVideoInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='VideoArrayDataset',
        data_root=data_root,
        files='train_*.npz',
        with_masks=False,
        clip_len=4,
        clip_mode='random',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VideoArrayDataset',
        data_root=data_root,
        files='validation_*.npz',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ObjectDiscoveryMetric', mask_size=128)
test_evaluator = val_evaluator
