# SlotMatch on YTVIS-2021: a SlotContrast teacher on DINOv2 ViT-B/14 distilled
# into a student on ViT-S/14 (Grigore et al., arXiv:2508.03411). Optimiser,
# schedule and data are those of the teacher; weights are our reading of the
# paper: 0.5 for the contrast, 1 for the distillation.
_base_ = [
    '../_base_/models/slot_dinov2_b14_ytvis.py',
    '../_base_/models/slot_dinov2_s14_ytvis.py',
    '../_base_/datasets/ytvis2021.py',
    '../_base_/schedules/100k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='Distiller',
    data_preprocessor=dict(type='VideoDataPreprocessor'),
    student=_base_.slot_dinov2_s14_ytvis,
    teacher=_base_.slot_dinov2_b14_ytvis,
    teacher_checkpoint='work_dirs/'
    'slotcontrast_dinov2-b14_1xb64-100k_ytvis2021-518/'
    'iter_100000.pth',
    init_from_teacher=True,
    distill_losses=dict(
        slot_match=dict(
            type='SlotMatchLoss',
            student_dim=64,
            teacher_dim=64,
            loss_weight=1.0,
        )
    ),
)
optim_wrapper = dict(optimizer=dict(lr=8e-4))
