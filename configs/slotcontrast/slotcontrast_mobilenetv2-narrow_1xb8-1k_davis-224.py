# The student on videos in the layout of DAVIS without distillation: control.
_base_ = [
    '../_base_/models/slot_mobilenetv2_narrow.py',
    '../_base_/datasets/davis_folder.py',
    '../_base_/schedules/1k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_mobilenetv2_narrow,
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
)
