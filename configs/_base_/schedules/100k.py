# The published schedule of SlotContrast on MOVi-C and YTVIS-2021: warm-up
# over 2500 iterations, one halving by the end, clip 0.05. MOVi has the peak
# rate 4e-4, YTVIS 8e-4.
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
    warmup=2_500,
    decay_end=100_000,
    decay_rate=0.5,
    by_epoch=False,
    end=10**9,
)

train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=100_000, val_interval=2_500
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
