# SlotContrast on MOVi-E as published (Manasyan et al., CVPR 2025).
_base_ = [
    '../_base_/models/slot_dinov2_b14_movi_e.py',
    '../_base_/datasets/movi_e.py',
    '../_base_/schedules/300k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_dinov2_b14_movi_e,
    data_preprocessor=dict(type='VideoDataPreprocessor'),
)
