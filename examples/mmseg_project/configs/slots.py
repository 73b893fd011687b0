"""A slot model, trained without labels on clips of the same frames.

The rest of the run is mmsegmentation's: `_scope_` moves the model to slotkd,
a prefix each single part.
"""

_base_ = ['_base_/runtime.py', '_base_/slot_model.py']
model = dict(
    **_base_.slot_model,
    losses=dict(
        recon=dict(type='FeatureReconstructionLoss', loss_weight=1.0),
        slot_contrast=dict(type='SlotContrastLoss', loss_weight=0.02),
    ),
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
)
test_pipeline = [dict(type='slotkd.PackVideoInputs')]
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='slotkd.FrameClipDataset',
        clip_len=4,
        clip_mode='random',
        dataset=dict(
            type='ShapesDataset',
            data_root='data/train',
            pipeline=[dict(type='LoadImageFromFile')],
        ),
        pipeline=test_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='slotkd.FrameClipDataset',
        dataset=dict(
            type='ShapesDataset',
            data_root='data/val',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
            ],
        ),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
# One shape of each class in a video: classes are the objects.
val_evaluator = dict(type='slotkd.ObjectDiscoveryMetric')
test_evaluator = val_evaluator
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='slotkd.SlotKDOptimWrapperConstructor',
    optimizer=dict(_delete_=True, type='Adam', lr=2e-3),
    clip_grad=dict(max_norm=0.05),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.02, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', eta_min=1e-4, begin=50, end=500, by_epoch=False),
]
train_cfg = dict(max_iters=500)
default_hooks = dict(
    visualization=dict(_delete_=True, type='slotkd.SlotVisualizationHook')
)
visualizer = dict(_delete_=True, type='Visualizer', vis_backends=[])
