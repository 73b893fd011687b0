# 10,000 iterations of 16 clips, as MinVIS on OVIS.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='SlotKDOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(
        custom_keys={
            'backbone': dict(lr_mult=0.1, decay_mult=1.0),
            'query_embed': dict(decay_mult=0.0),
            'query_feat': dict(decay_mult=0.0),
            'level_embed': dict(decay_mult=0.0),
        },
        norm_decay_mult=0.0,
    ),
    clip_grad=dict(max_norm=0.01, error_if_nonfinite=True),
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        milestones=[7_000],
        gamma=0.1,
        begin=0,
        end=10**9,
        by_epoch=False,
    )
]
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=10_000, val_interval=10_000
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
