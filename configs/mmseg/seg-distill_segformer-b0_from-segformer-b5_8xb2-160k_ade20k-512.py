# SegFormer-B0 taught by SegFormer-B5 on ADE20K: divergence at pixels (Hinton
# et al., arXiv:1503.02531) and in channels (Shu et al., arXiv:2011.13256) of
# the logits, weights of the latter. Schedule and data are mmsegmentation's.
_base_ = [
    'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
    '../_base_/models/segformer_b5_ade20k.py',
]
custom_imports = dict(imports=['slotkd'], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type='slotkd.SegDistiller',
    student=_base_.model,
    teacher=_base_.segformer_b5_ade20k,
    teacher_checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/'
    'segformer/segformer_mit-b5_512x512_160k_ade20k/'
    'segformer_mit-b5_512x512_160k_ade20k_20210726_145235-94cedf59.pth',
    distill_losses=dict(
        kl=dict(
            type='slotkd.LogitDistillLoss', temperature=1.0, loss_weight=1.0
        ),
        cwd=dict(
            type='slotkd.ChannelDistillLoss', temperature=4.0, loss_weight=3.0
        ),
    ),
)
