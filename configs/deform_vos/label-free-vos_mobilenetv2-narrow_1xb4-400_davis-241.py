# The student's network for real videos without any mask in training: it learns
# from clips in which regions of one frame move over another. MobileNetV2 was
# trained on the classes of ImageNet.
_base_ = [
    '../_base_/models/vos_mobilenetv2_narrow.py',
    '../_base_/datasets/vos_davis_241.py',
    '../_base_/schedules/vos_quick_400.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.vos_mobilenetv2_narrow,
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
    losses=dict(
        segmentation=dict(
            type='MaskSegmentationLoss', hard_iters=200, reference_iters=400
        ),
        offset_range=dict(type='OffsetRangeLoss', loss_weight=1e-3),
    ),
)
train_dataloader = dict(dataset=_base_.region_clips)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
