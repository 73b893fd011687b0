# SSync on YTVIS-2021 as published (Moon and Heo, arXiv:2606.15527):
# SlotContrast plus selective pseudo-labels from 30 % of the iterations on,
# mixed precision, two processes with 64 clips each.
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
model['losses']['ssync'] = dict(
    type='SSyncLoss', iou_thr=0.6, loss_weight=1.0, begin=30_000
)
optim_wrapper = dict(optimizer=dict(lr=8e-4))
