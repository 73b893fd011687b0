# The quick student without any annotation: regions of the first frame,
# followed by the colour teacher, are its labels. Masks are read for scoring
# only. The teacher's shares are soft, hence the lower thresholds.
_base_ = [
    '../_base_/models/color_resnet_tiny.py',
    '../_base_/models/vos_deform_tiny.py',
    '../_base_/datasets/textured_shapes_96.py',
    '../_base_/schedules/vos_quick_400.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='VosDistiller',
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
    student=dict(
        **_base_.vos_deform_tiny,
        losses=dict(
            offset_range=dict(type='OffsetRangeLoss', loss_weight=1e-3)
        ),
    ),
    teacher=_base_.color_resnet_tiny,
    teacher_checkpoint='work_dirs/'
    'color-vos_resnet-tiny_1xb8-300_textured-shapes-96/iter_300.pth',
    pseudo=dict(mode='label_free', conf_thr=0.6, clip_conf_thr=0.5),
    jitter=dict(brightness=0.1, contrast=0.1, saturation=0.1),
    distill_losses=dict(
        pseudo_label=dict(
            type='PseudoLabelLoss', hard_iters=200, reference_iters=400
        ),
        attn_cka=dict(type='AttentionCKALoss', loss_weight=1.0, ramp=20),
        relation=dict(
            type='ObjectRelationLoss', num_channels=11, loss_weight=1.0
        ),
    ),
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MovingTexturedShapes',
        num_videos=50_000,
        seed=0,
        clip_len=4,
        clip_mode='random',
        pipeline=[
            dict(type='ResizeVideo', size=97),
            dict(type='PackVideoInputs'),
        ],
    )
)
