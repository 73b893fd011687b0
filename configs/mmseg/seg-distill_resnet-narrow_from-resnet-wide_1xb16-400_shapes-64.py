# A segmentor taught by one twice as wide, on shapes: divergence at pixels
# (Hinton et al., arXiv:1503.02531) and in channels (Shu et al.,
# arXiv:2011.13256). The teacher is that of supervised_resnet-wide.
_base_ = [
    'mmseg::_base_/default_runtime.py',
    '../_base_/models/seg_resnet_narrow.py',
    '../_base_/models/seg_resnet_wide.py',
    '../_base_/datasets/shapes_64.py',
    '../_base_/schedules/seg_400.py',
]
custom_imports = dict(imports=['slotkd'], allow_failed_imports=False)
model = dict(
    type='slotkd.SegDistiller',
    student=_base_.seg_resnet_narrow,
    teacher=_base_.seg_resnet_wide,
    teacher_checkpoint='work_dirs/'
    'supervised_resnet-wide_1xb16-800_shapes-64/iter_800.pth',
    distill_losses=dict(
        kl=dict(
            type='slotkd.LogitDistillLoss', temperature=2.0, loss_weight=1.0
        ),
        cwd=dict(
            type='slotkd.ChannelDistillLoss', temperature=4.0, loss_weight=1.0
        ),
    ),
)
