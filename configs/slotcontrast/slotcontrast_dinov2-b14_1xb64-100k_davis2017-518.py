# SlotContrast on DAVIS-2017 with the settings of YTVIS-2021; the paper does
# not train on DAVIS.
_base_ = [
    '../_base_/models/slot_dinov2_b14_ytvis.py',
    '../_base_/datasets/davis2017.py',
    '../_base_/schedules/100k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_dinov2_b14_ytvis,
    data_preprocessor=dict(type='VideoDataPreprocessor'),
)
optim_wrapper = dict(optimizer=dict(lr=8e-4))
