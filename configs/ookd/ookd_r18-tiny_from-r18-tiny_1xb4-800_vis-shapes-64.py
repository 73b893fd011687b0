# OOKD (Kim et al., arXiv:2302.07516) on moving shapes: the tiny student learns
# the embeddings of the tiny teacher. Ramp 5 %, student filter from 10 %.
_base_ = [
    '../_base_/models/vis_online_tiny.py',
    '../_base_/models/vis_offline_tiny.py',
    '../_base_/datasets/vis_shapes_64.py',
    '../_base_/schedules/vis_800.py',
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
    'mask2former-video_r18-tiny_1xb4-4k_vis-shapes-64/iter_4000.pth',
    distill_losses=dict(
        query=dict(
            type='QueryDistillLoss',
            student_dim=64,
            teacher_dim=64,
            loss_weight=2.0,
            ramp=40,
            qfa=dict(student_filter_begin=80, min_cells=4),
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
# The hook draws teachers of slots only.
default_hooks = dict(visualization=dict(draw_teacher=False))
