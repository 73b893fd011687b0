# The quick start's student, distilled with SlotMatch from the teacher. The
# widths differ, so a projection owned by the term bridges them.
_base_ = [
    '../_base_/models/slot_color_wide.py',
    '../_base_/models/slot_color_narrow.py',
    '../_base_/datasets/moving_shapes_32.py',
    '../_base_/schedules/quick_500.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='Distiller',
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
    student=_base_.slot_color_narrow,
    teacher=_base_.slot_color_wide,
    teacher_checkpoint='work_dirs/'
    'slotcontrast_color-wide_1xb16-800_moving-shapes-32/iter_800.pth',
    distill_losses=dict(
        slot_match=dict(
            type='SlotMatchLoss',
            student_dim=32,
            teacher_dim=64,
            loss_weight=0.5,
        )
    ),
)
