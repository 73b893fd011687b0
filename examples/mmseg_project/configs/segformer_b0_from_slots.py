"""B0 taught by the slot model that slots.py trained: slot-mixed maps."""

_base_ = [
    '_base_/runtime.py',
    '_base_/shapes.py',
    '_base_/segformer.py',
    '_base_/slot_model.py',
]
model = dict(
    type='slotkd.SegDistiller',
    student=_base_.segformer_b0,
    slot_teacher=dict(
        type='SlotBackbone',
        model=_base_.slot_model,
        out='mixed',
        checkpoint='work_dirs/slots/iter_500.pth',
    ),
    distill_losses=dict(
        slots=dict(
            type='MapDistillLoss',
            source='slot_maps',
            student_index=0,
            student_channels=32,
            teacher_channels=32,
            loss_weight=0.1,
        )
    ),
    data_preprocessor=_base_.data_preprocessor,
)
