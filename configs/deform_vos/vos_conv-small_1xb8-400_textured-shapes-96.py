# The quick teacher of mask propagation, trained with labels.
_base_ = [
    '../_base_/models/vos_deform_small.py',
    '../_base_/datasets/textured_shapes_96.py',
    '../_base_/schedules/vos_quick_400.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.vos_deform_small,
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
