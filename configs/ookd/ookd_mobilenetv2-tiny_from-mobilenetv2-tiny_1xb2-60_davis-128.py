# OOKD (Kim et al., arXiv:2302.07516) on real video, a smoke run: both sides on
# mmseg's MobileNetV2 with the weights at SLOTKD_MOBILENETV2; one class.
_base_ = [
    '../_base_/models/vis_online_tiny.py',
    '../_base_/models/vis_offline_tiny.py',
    '../_base_/datasets/vis_davis_128.py',
    '../_base_/schedules/vis_60.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['slotkd.models.queries.mask2former'], allow_failed_imports=False
)
model = dict(
    type='Distiller',
    student=_base_.vis_online_tiny,
    teacher=_base_.vis_offline_tiny,
    teacher_checkpoint='work_dirs/'
    'mask2former-video_mobilenetv2-tiny_1xb2-60_davis-128/iter_60.pth',
    distill_losses=dict(
        query=dict(
            type='QueryDistillLoss',
            student_dim=64,
            teacher_dim=64,
            loss_weight=2.0,
            ramp=6,
            qfa=dict(student_filter_begin=6),
            diagnose_every=5,
        )
    ),
    data_preprocessor=dict(
        type='mmdet.TrackDataPreprocessor',
        mean=[127.5] * 3,
        std=[127.5] * 3,
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
    ),
)
for part, head in (('student', 'head'), ('teacher', 'track_head')):
    side = model[part]
    side['backbone'] = dict(
        type='mmseg.MobileNetV2', out_indices=(1, 2, 4, 6), norm_eval=True
    )
    side[head].update(in_channels=[24, 32, 96, 320], num_classes=1)
    side[head]['loss_cls'].update(class_weight=[1.0, 0.4])
model['student']['backbone']['init_cfg'] = dict(
    type='Pretrained',
    checkpoint='{{$SLOTKD_MOBILENETV2:checkpoints/mobilenet_v2.pth}}',
)
default_hooks = dict(
    logger=dict(interval=5), visualization=dict(draw_teacher=False)
)
