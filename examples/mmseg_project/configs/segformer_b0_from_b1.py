"""B0 taught by B1: class probabilities, and the last feature map."""

_base_ = ['_base_/runtime.py', '_base_/shapes.py', '_base_/segformer.py']
model = dict(
    type='slotkd.SegDistiller',
    student=_base_.segformer_b0,
    teacher=_base_.segformer_b1,
    teacher_checkpoint='work_dirs/segformer_b1/iter_300.pth',
    distill_losses=dict(
        logits=dict(type='LogitDistillLoss', temperature=2.0, loss_weight=1.0),
        feats=dict(
            type='MapDistillLoss',
            student_channels=256,
            teacher_channels=512,
            loss_weight=0.1,
        ),
    ),
    data_preprocessor=_base_.data_preprocessor,
)
