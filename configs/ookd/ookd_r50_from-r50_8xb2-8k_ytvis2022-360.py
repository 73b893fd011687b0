# OOKD (Kim et al., arXiv:2302.07516) on YouTube-VIS 2022. The paper publishes
# neither models nor schedule: both are those of mmdet and MinVIS.
_base_ = [
    '../_base_/models/vis_online_r50.py',
    '../_base_/models/vis_offline_r50.py',
    '../_base_/datasets/ytvis2022_clips.py',
    '../_base_/schedules/vis_8k.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['slotkd.models.queries.mask2former'], allow_failed_imports=False
)
model = dict(
    type='Distiller',
    student=_base_.vis_online_r50,
    teacher=_base_.vis_offline_r50,
    teacher_checkpoint='https://download.openmmlab.com/mmdetection/v3.0/'
    'mask2former_vis/mask2former_r50_8xb2-8e_youtubevis2021/'
    'mask2former_r50_8xb2-8e_youtubevis2021_20230426_131833-5d215283.pth',
    distill_losses=dict(
        query=dict(
            type='QueryDistillLoss',
            student_dim=256,
            teacher_dim=256,
            loss_weight=2.0,
            ramp=400,
            qfa=dict(student_filter_begin=800, min_cells=16),
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
# The hook draws teachers of slots only.
default_hooks = dict(visualization=dict(draw_teacher=False))
