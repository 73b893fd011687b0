# Stage 1 of DeAOT: static images, 100k iterations of 16 clips in all, AdamW
# 4e-4 to 2e-5, weight decay 0.03; the rest as vos_100k.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='SlotKDOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=4e-4, weight_decay=0.03),
    clip_grad=dict(max_norm=5.0, error_if_nonfinite=True),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys={
            'backbone': dict(lr_mult=0.1),
            'offsets.': dict(lr_mult=0.1),
            'offsets.proj': dict(lr_mult=0.1, decay_mult=0.0),
        },
    ),
)
param_scheduler = dict(
    type='WarmupPolyLR',
    warmup=5_000,
    decay_end=100_000,
    power=0.9,
    floor=0.05,
    by_epoch=False,
    end=10**9,
)
custom_hooks = [dict(type='EMAHook', momentum=1e-4)]
model_wrapper_cfg = dict(
    type='MMDistributedDataParallel', find_unused_parameters=True
)
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=100_000, val_interval=10_000
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
