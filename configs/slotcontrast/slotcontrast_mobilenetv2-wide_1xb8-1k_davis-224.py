# A slot teacher on videos in the layout of DAVIS, with ImageNet features of
# MobileNetV2.
_base_ = [
    '../_base_/models/slot_mobilenetv2_wide.py',
    '../_base_/datasets/davis_folder.py',
    '../_base_/schedules/1k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_mobilenetv2_wide,
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
)
