# A student for real videos without any mask in training: regions of the first
# frame, followed by the colour teacher, are its labels. Its backbone is
# MobileNetV2, trained on the classes of ImageNet.
_base_ = [
    '../_base_/models/color_resnet_tiny.py',
    '../_base_/models/vos_mobilenetv2_narrow.py',
    '../_base_/datasets/vos_davis_241.py',
    '../_base_/schedules/vos_quick_400.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='VosDistiller',
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
    student=dict(
        **_base_.vos_mobilenetv2_narrow,
        losses=dict(
            offset_range=dict(type='OffsetRangeLoss', loss_weight=1e-3)
        ),
    ),
    teacher=_base_.color_resnet_tiny,
    teacher_checkpoint='work_dirs/'
    'color-vos_resnet-tiny_1xb4-300_davis-129/iter_300.pth',
    pseudo=dict(mode='label_free', conf_thr=0.6, clip_conf_thr=0.5),
    jitter=dict(brightness=0.2, contrast=0.2, saturation=0.2),
    distill_losses=dict(
        pseudo_label=dict(
            type='PseudoLabelLoss', hard_iters=200, reference_iters=400
        ),
        attn_cka=dict(type='AttentionCKALoss', loss_weight=1.0, ramp=20),
        relation=dict(type='ObjectRelationLoss', loss_weight=1.0),
    ),
)
train_dataloader = dict(
    dataset=dict(
        type='VideoFolderDataset',
        data_root=_base_.data_root,
        frames_dir='JPEGImages/480p',
        split='ImageSets/2017/train.txt',
        clip_len=4,
        frame_stride=2,
        clip_mode='random',
        pipeline=[
            dict(type='ResizeVideo', short_side=256),
            dict(type='RandomScaleVideo', scale=(0.9, 1.2), min_size=241),
            dict(type='RandomCropVideo', size=241),
            dict(type='RandomFlipVideo', prob=0.5),
            dict(type='PackVideoInputs'),
        ],
    )
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
