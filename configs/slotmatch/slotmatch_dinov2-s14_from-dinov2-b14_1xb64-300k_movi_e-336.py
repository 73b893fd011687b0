# SlotMatch on MOVi-E: a SlotContrast teacher on DINOv2 ViT-B/14 distilled
# into a student on ViT-S/14 (Grigore et al., arXiv:2508.03411). Optimiser,
# schedule and data are those of the teacher; weights are our reading of the
# paper: 0.5 for the contrast, 1 for the distillation.
_base_ = [
    '../_base_/models/slot_dinov2_b14_movi_e.py',
    '../_base_/models/slot_dinov2_s14_movi_e.py',
    '../_base_/datasets/movi_e.py',
    '../_base_/schedules/300k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='Distiller',
    data_preprocessor=dict(type='VideoDataPreprocessor'),
    student=_base_.slot_dinov2_s14_movi_e,
    teacher=_base_.slot_dinov2_b14_movi_e,
    teacher_checkpoint='work_dirs/'
    'slotcontrast_dinov2-b14_1xb64-300k_movi_e-336/'
    'iter_300000.pth',
    init_from_teacher=True,
    distill_losses=dict(
        slot_match=dict(
            type='SlotMatchLoss',
            student_dim=128,
            teacher_dim=128,
            loss_weight=1.0,
        )
    ),
)
