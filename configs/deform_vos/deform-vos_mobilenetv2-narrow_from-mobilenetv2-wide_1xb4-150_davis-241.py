# A student for real videos: of each train video it reads the first mask; the
# other labels are its teacher's. It begins with what it learned from clips
# made of first frames and takes small steps; the share of hard pixels does not
# get to its end.
_base_ = [
    '../_base_/models/vos_mobilenetv2_wide.py',
    '../_base_/models/vos_mobilenetv2_narrow.py',
    '../_base_/datasets/vos_davis_241.py',
    '../_base_/schedules/vos_quick_400.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='VosDistiller',
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
    student=dict(
        **_base_.vos_mobilenetv2_narrow,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/'
            'vos_mobilenetv2-narrow_1xb4-400_davis-241/iter_400.pth',
        ),
        losses=dict(
            offset_range=dict(type='OffsetRangeLoss', loss_weight=1e-3)
        ),
    ),
    teacher=_base_.vos_mobilenetv2_wide,
    teacher_checkpoint='work_dirs/'
    'vos_mobilenetv2-wide_1xb4-400_davis-241/iter_400.pth',
    pseudo=dict(mode='pseudo'),
    jitter=dict(brightness=0.2, contrast=0.2, saturation=0.2),
    distill_losses=dict(
        pseudo_label=dict(
            type='PseudoLabelLoss', hard_iters=200, reference_iters=400
        ),
        attn_cka=dict(type='AttentionCKALoss', loss_weight=1.0, ramp=20),
        relation=dict(type='ObjectRelationLoss', loss_weight=1.0),
    ),
)
train_dataloader = dict(dataset=_base_.real_clips)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = dict(warmup=10, decay_end=150)
train_cfg = dict(max_iters=150, val_interval=150)
