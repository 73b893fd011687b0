# SSync on COCO images as published (Moon and Heo, arXiv:2606.15527): clips of
# one frame, so slot contrast has nothing to compare and only reconstruction
# and the pseudo-labels train.
_base_ = [
    '../_base_/models/slot_dinov2_s14_coco.py',
    '../_base_/datasets/coco_frames.py',
    '../_base_/schedules/100k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_dinov2_s14_coco,
    data_preprocessor=dict(type='VideoDataPreprocessor'),
)
model['losses'].pop('slot_contrast')
model['losses']['ssync'] = dict(
    type='SSyncLoss', iou_thr=0.9, loss_weight=1.0, begin=30_000
)
optim_wrapper = dict(optimizer=dict(lr=8e-4))
