# 400 iterations of the quick models of mask propagation: a warm-up of 20,
# then down to a twentieth.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='SlotKDOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.03),
    clip_grad=dict(max_norm=5.0, error_if_nonfinite=True),
)
param_scheduler = dict(
    type='WarmupPolyLR',
    warmup=20,
    decay_end=400,
    floor=0.05,
    by_epoch=False,
    end=10**9,
)

train_cfg = dict(type='IterBasedTrainLoop', max_iters=400, val_interval=400)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
