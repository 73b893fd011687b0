# The quick start's control: the student of OOKD with the same data, steps and
# supervised losses, without a teacher.
_base_ = [
    '../_base_/models/vis_online_tiny.py',
    '../_base_/datasets/vis_shapes_64.py',
    '../_base_/schedules/vis_800.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['slotkd.models.queries.mask2former'], allow_failed_imports=False
)
model = dict(
    **_base_.vis_online_tiny,
    data_preprocessor=dict(
        type='mmdet.TrackDataPreprocessor',
        mean=[127.5] * 3,
        std=[127.5] * 3,
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
    ),
)
