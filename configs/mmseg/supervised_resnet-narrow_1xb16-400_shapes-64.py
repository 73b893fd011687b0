# The student of the distillation on shapes, trained on labels alone: the
# control.
_base_ = [
    'mmseg::_base_/default_runtime.py',
    '../_base_/models/seg_resnet_narrow.py',
    '../_base_/datasets/shapes_64.py',
    '../_base_/schedules/seg_400.py',
]
custom_imports = dict(imports=['slotkd'], allow_failed_imports=False)
model = _base_.seg_resnet_narrow
