# 800 iterations of the quick start: warm-up of 50, then a cosine.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='SlotKDOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=2e-3),
    clip_grad=dict(max_norm=0.05, error_if_nonfinite=True),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.02, begin=0, end=50, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.05,
        begin=50,
        end=800,
        by_epoch=False,
    ),
]

train_cfg = dict(type='IterBasedTrainLoop', max_iters=800, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
