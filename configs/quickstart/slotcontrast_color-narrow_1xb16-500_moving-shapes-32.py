# The quick start's student without distillation: the control.
_base_ = [
    '../_base_/models/slot_color_narrow.py',
    '../_base_/datasets/moving_shapes_32.py',
    '../_base_/schedules/quick_500.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_color_narrow,
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
)
