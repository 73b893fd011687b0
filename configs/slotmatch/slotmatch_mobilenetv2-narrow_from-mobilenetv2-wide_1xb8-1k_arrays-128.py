# SlotMatch on videos kept as numpy arrays: from a wider to a narrower slot
# model on the same ImageNet features of MobileNetV2.
_base_ = [
    '../_base_/models/slot_mobilenetv2_wide.py',
    '../_base_/models/slot_mobilenetv2_narrow.py',
    '../_base_/datasets/video_arrays.py',
    '../_base_/schedules/1k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='Distiller',
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
    student=_base_.slot_mobilenetv2_narrow,
    teacher=_base_.slot_mobilenetv2_wide,
    teacher_checkpoint='work_dirs/'
    'slotcontrast_mobilenetv2-wide_1xb8-1k_arrays-128/iter_1000.pth',
    distill_losses=dict(
        slot_match=dict(
            type='SlotMatchLoss',
            student_dim=64,
            teacher_dim=128,
            loss_weight=1.0,
        )
    ),
)
# Objects are small here: features at stride 8, 32 channels, 16x16 patches.
model['student']['backbone']['backbone'].update(out_indices=(2,))
model['student']['backbone'].update(feat_dim=32)
model['student']['neck'].update(feat_dim=32)
model['student']['decoder'].update(feat_dim=32, grid=(16, 16))
model['teacher']['backbone']['backbone'].update(out_indices=(2,))
model['teacher']['backbone'].update(feat_dim=32)
model['teacher']['neck'].update(feat_dim=32)
model['teacher']['decoder'].update(feat_dim=32, grid=(16, 16))
