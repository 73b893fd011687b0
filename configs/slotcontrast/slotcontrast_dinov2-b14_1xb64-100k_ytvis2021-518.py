# SlotContrast on YTVIS-2021 as published (Manasyan et al., CVPR 2025).
_base_ = [
    '../_base_/models/slot_dinov2_b14_ytvis.py',
    '../_base_/datasets/ytvis2021.py',
    '../_base_/schedules/100k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_dinov2_b14_ytvis,
    data_preprocessor=dict(type='VideoDataPreprocessor'),
)
optim_wrapper = dict(optimizer=dict(lr=8e-4))
