# The smoke run's control on real video: the student of OOKD without a teacher.
_base_ = [
    '../_base_/models/vis_online_tiny.py',
    '../_base_/datasets/vis_davis_128.py',
    '../_base_/schedules/vis_60.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['slotkd.models.queries.mask2former'], allow_failed_imports=False
)
model = dict(
    **_base_.vis_online_tiny,
    data_preprocessor=dict(
        type='mmdet.TrackDataPreprocessor',
        mean=[127.5] * 3,
        std=[127.5] * 3,
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
    ),
)
model['backbone'] = dict(
    type='mmseg.MobileNetV2',
    out_indices=(1, 2, 4, 6),
    norm_eval=True,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='{{$SLOTKD_MOBILENETV2:checkpoints/mobilenet_v2.pth}}',
    ),
)
model['head'].update(in_channels=[24, 32, 96, 320], num_classes=1)
model['head']['loss_cls'].update(class_weight=[1.0, 0.4])
default_hooks = dict(logger=dict(interval=5))
