# The quick start's teacher.
_base_ = [
    '../_base_/models/slot_color_wide.py',
    '../_base_/datasets/moving_shapes_32.py',
    '../_base_/schedules/quick_800.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_color_wide,
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
)
