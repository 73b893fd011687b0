# SegFormer-B0 taught by SegFormer-B5 on Cityscapes: divergence at pixels
# (Hinton et al., arXiv:1503.02531) and in channels (Shu et al.,
# arXiv:2011.13256) of the logits, weights of the latter. Schedule and data
# are mmsegmentation's.
_base_ = [
    'mmseg::segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py',
    '../_base_/models/segformer_b5_cityscapes.py',
]
custom_imports = dict(imports=['slotkd'], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type='slotkd.SegDistiller',
    student=_base_.model,
    teacher=_base_.segformer_b5_cityscapes,
    teacher_checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/'
    'segformer/segformer_mit-b5_8x1_1024x1024_160k_cityscapes/'
    'segformer_mit-b5_8x1_1024x1024_160k_cityscapes_20211206_072934-'
    '87a052ec.pth',
    distill_losses=dict(
        kl=dict(
            type='slotkd.LogitDistillLoss', temperature=1.0, loss_weight=1.0
        ),
        cwd=dict(
            type='slotkd.ChannelDistillLoss', temperature=4.0, loss_weight=3.0
        ),
    ),
)
