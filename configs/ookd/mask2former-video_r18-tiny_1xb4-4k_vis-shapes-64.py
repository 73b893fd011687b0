# The quick start's teacher: mmdet's Mask2Former for video, tiny, from scratch.
# It learns from three frames of a clip and sees six when it teaches.
_base_ = [
    '../_base_/models/vis_offline_tiny.py',
    '../_base_/datasets/vis_shapes_64.py',
    '../_base_/schedules/vis_4k.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['slotkd.models.queries.mask2former'], allow_failed_imports=False
)
model = dict(
    **_base_.vis_offline_tiny,
    data_preprocessor=dict(
        type='mmdet.TrackDataPreprocessor',
        mean=[127.5] * 3,
        std=[127.5] * 3,
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
    ),
)
val_evaluator = dict(
    _delete_=True,
    type='VideoInstanceMetric',
    ann_file='data/vis_shapes/val.json',
    classwise=True,
)
test_evaluator = val_evaluator
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='ClipFrameSample', num_frames=3),
            *_base_.train_pipeline[1:],
        ]
    )
)
