# SlotContrast on MOVi-C as published (Manasyan et al., CVPR 2025).
_base_ = [
    '../_base_/models/slot_dinov2_s14_movi_c.py',
    '../_base_/datasets/movi_c.py',
    '../_base_/schedules/100k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_dinov2_s14_movi_c,
    data_preprocessor=dict(type='VideoDataPreprocessor'),
)
