# Stage 2 of DeAOT: 100k iterations of 16 clips in all, AdamW 2e-4 to 2e-5 by
# a polynomial of power 0.9 after a warm-up of 5 %, the backbone a tenth,
# weight decay 0.07, clipping at 5, averaged weights. The offset networks
# learn ten times slower and their last layer has no decay (our choice).
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='SlotKDOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.07),
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
    floor=0.1,
    by_epoch=False,
    end=10**9,
)
custom_hooks = [dict(type='EMAHook', momentum=1e-4)]
# Once the memory is written with the model's own masks, the identity bank
# gets no gradient.
model_wrapper_cfg = dict(
    type='MMDistributedDataParallel', find_unused_parameters=True
)
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=100_000, val_interval=10_000
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
