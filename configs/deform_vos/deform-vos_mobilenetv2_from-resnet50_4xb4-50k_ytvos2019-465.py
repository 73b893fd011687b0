# The student on YouTube-VOS 2019: MobileNetV2, distilled from the
# ResNet-50 teacher. Of each clip the first mask is read, the later labels are
# the teacher's. Consistent with the public description of arXiv:2401.13937,
# not a verified replica.
_base_ = [
    '../_base_/models/vos_deform_r50.py',
    '../_base_/models/vos_deform_mv2.py',
    '../_base_/datasets/vos_ytvos2019_465.py',
    '../_base_/schedules/vos_50k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='VosDistiller',
    data_preprocessor=dict(
        type='VideoDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
    student=dict(
        **_base_.vos_deform_mv2,
        with_late_objects=True,
        losses=dict(
            offset_range=dict(type='OffsetRangeLoss', loss_weight=1e-3)
        ),
    ),
    teacher=_base_.vos_deform_r50,
    teacher_checkpoint='work_dirs/'
    'vos_resnet50_4xb4-100k_ytvos2019-465/iter_100000.pth',
    pseudo=dict(
        mode='pseudo', conf_thr=0.7, clip_conf_thr=0.6, max_area_ratio=8
    ),
    jitter=dict(brightness=0.2, contrast=0.2, saturation=0.2),
    distill_losses=dict(
        pseudo_label=dict(
            type='PseudoLabelLoss', hard_iters=25_000, reference_iters=50_000
        ),
        attn_cka=dict(type='AttentionCKALoss', loss_weight=1.0, ramp=2_500),
        relation=dict(type='ObjectRelationLoss', loss_weight=1.0),
        splat=dict(type='AttentionSplatLoss', loss_weight=0.0),
    ),
)
# The mask of frame 0 is all that is read: merging would cut objects out with
# later masks.
first_masks = dict(reference='first', reverse_prob=0, merge_prob=0)
train_dataloader = dict(dataset=first_masks)
