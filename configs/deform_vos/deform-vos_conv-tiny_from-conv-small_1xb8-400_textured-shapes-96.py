# The quick student, distilled: it reads the first mask of each clip, its
# teacher's masks and attention, and no other label.
_base_ = [
    '../_base_/models/vos_deform_small.py',
    '../_base_/models/vos_deform_tiny.py',
    '../_base_/datasets/textured_shapes_96.py',
    '../_base_/schedules/vos_quick_400.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='VosDistiller',
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
    student=dict(
        **_base_.vos_deform_tiny,
        losses=dict(
            offset_range=dict(type='OffsetRangeLoss', loss_weight=1e-3)
        ),
    ),
    teacher=_base_.vos_deform_small,
    teacher_checkpoint='work_dirs/'
    'vos_conv-small_1xb8-400_textured-shapes-96/iter_400.pth',
    pseudo=dict(mode='pseudo'),
    jitter=dict(brightness=0.1, contrast=0.1, saturation=0.1),
    distill_losses=dict(
        pseudo_label=dict(
            type='PseudoLabelLoss', hard_iters=200, reference_iters=400
        ),
        attn_cka=dict(type='AttentionCKALoss', loss_weight=1.0, ramp=20),
        relation=dict(
            type='ObjectRelationLoss', num_channels=11, loss_weight=1.0
        ),
    ),
)
