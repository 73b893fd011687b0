# OOKD (Kim et al., arXiv:2302.07516) on OVIS. The paper publishes
# neither models nor schedule: both are those of mmdet and MinVIS.
_base_ = [
    '../_base_/models/vis_online_r50.py',
    '../_base_/models/vis_offline_r50.py',
    '../_base_/datasets/ovis_clips.py',
    '../_base_/schedules/vis_10k.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['slotkd.models.queries.mask2former'], allow_failed_imports=False
)
model = dict(
    type='Distiller',
    student=_base_.vis_online_r50,
    teacher=_base_.vis_offline_r50,
    teacher_checkpoint='work_dirs/mask2former-video_r50_8xb2-10k_ovis-360/iter_10000.pth',
    distill_losses=dict(
        query=dict(
            type='QueryDistillLoss',
            student_dim=256,
            teacher_dim=256,
            loss_weight=2.0,
            ramp=500,
            qfa=dict(student_filter_begin=1000, min_cells=16),
        )
    ),
    data_preprocessor=dict(
        type='mmdet.TrackDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
    ),
)
model['student']['init_cfg'] = dict(
    type='Pretrained',
    checkpoint='https://download.openmmlab.com/mmdetection/v3.0/mask2former/'
    'mask2former_r50_8xb2-lsj-50e_coco/'
    'mask2former_r50_8xb2-lsj-50e_coco_20220506_191028-41b088b6.pth',
)
# OVIS has 25 classes; the best 20 tracks of a video count.
model['student']['head'].update(num_classes=25)
model['student']['head']['loss_cls'].update(class_weight=[1.0] * 25 + [0.1])
model['teacher']['track_head'].update(num_classes=25)
model['teacher']['track_head']['loss_cls'].update(
    class_weight=[1.0] * 25 + [0.1]
)
model['student'].update(topk=20)
# The hook draws teachers of slots only.
default_hooks = dict(visualization=dict(draw_teacher=False))
