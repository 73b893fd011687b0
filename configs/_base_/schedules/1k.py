# 1000 iterations, for small models and quick looks: the shape of the
# published schedule with a warm-up of 100.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='SlotKDOptimWrapperConstructor',
    optimizer=dict(type='Adam', lr=4e-4),
    clip_grad=dict(max_norm=0.05, error_if_nonfinite=True),
)
# Without an explicit end the runner writes the length of the run there, and
# a resumed longer run keeps the last rate.
param_scheduler = dict(
    type='WarmupDecayLR',
    warmup=100,
    decay_end=1_000,
    decay_rate=0.5,
    by_epoch=False,
    end=10**9,
)

train_cfg = dict(type='IterBasedTrainLoop', max_iters=1_000, val_interval=250)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
