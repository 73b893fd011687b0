# A teacher for real videos that needs one mask of each: clips are made of the
# first frames by affine motion and bending, objects of one over another.
_base_ = [
    '../_base_/models/vos_mobilenetv2_wide.py',
    '../_base_/datasets/vos_davis_241.py',
    '../_base_/schedules/vos_quick_400.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.vos_mobilenetv2_wide,
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
train_dataloader = dict(
    dataset=dict(
        clip_pipeline=[
            dict(type='ResizeVideo', short_side=256),
            dict(type='RandomScaleVideo', scale=(0.9, 1.4), min_size=241),
            dict(type='RandomCropVideo', size=241),
            dict(type='RandomFlipVideo', prob=0.5),
            dict(
                type='WarpToClip',
                num_frames=4,
                degrees=15,
                translate=0.15,
                scale=0.15,
                bend=0.03,
            ),
        ],
        num_frames=1,
        merge_prob=0.7,
    )
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
