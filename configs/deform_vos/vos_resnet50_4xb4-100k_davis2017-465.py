# The teacher on YouTube-VOS 2019 and DAVIS 2017 (DeAOT's second stage), after
# its warm-up on single images.
_base_ = [
    '../_base_/models/vos_deform_r50.py',
    '../_base_/datasets/vos_davis2017_465.py',
    '../_base_/schedules/vos_100k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.vos_deform_r50,
    data_preprocessor=dict(
        type='VideoDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
    losses=dict(
        segmentation=dict(
            type='MaskSegmentationLoss',
            hard_iters=50_000,
            reference_iters=100_000,
        ),
        offset_range=dict(type='OffsetRangeLoss', loss_weight=1e-3),
    ),
)
load_from = 'work_dirs/vos_resnet50_4xb4-100k_static-465/iter_100000.pth'
