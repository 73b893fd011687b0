# The quick start's teacher on physics scenes of level A: 32x32 patches of
# 4x4 pixels, 8 slots. docs/scenes.md tests it, unchanged, on MOVi-A.
_base_ = [
    '../_base_/models/slot_color_wide.py',
    '../_base_/datasets/physics_scenes_128.py',
    '../_base_/schedules/quick_800.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_color_wide,
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
)
model['backbone'].update(patch_size=4)
model['initializer'].update(num_slots=8)
train_cfg = dict(val_interval=400)
