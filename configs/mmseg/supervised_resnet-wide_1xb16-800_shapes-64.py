# The teacher of the distillation on shapes, trained on labels alone.
_base_ = [
    'mmseg::_base_/default_runtime.py',
    '../_base_/models/seg_resnet_wide.py',
    '../_base_/datasets/shapes_64.py',
    '../_base_/schedules/seg_400.py',
]
custom_imports = dict(imports=['slotkd'], allow_failed_imports=False)
model = _base_.seg_resnet_wide
train_cfg = dict(max_iters=800, val_interval=800)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, end=40),
    dict(type='PolyLR', power=1.0, by_epoch=False, begin=40, end=800),
]
default_hooks = dict(checkpoint=dict(interval=800))
