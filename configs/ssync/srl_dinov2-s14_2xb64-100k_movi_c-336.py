# SRL on MOVi-C, the dense baseline of SSync (Seong et al.,
# arXiv:2602.03390), in the exact row-blocked form: regularised slots first,
# dense contrast between encoder and decoder from 20 % on.
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
model['losses']['slot_contrast'] = dict(
    type='SRLContrastLoss', loss_weight=0.25
)
model['losses']['srl_deblur'] = dict(
    type='SRLDeblurLoss',
    feat_dim=384,
    slot_dim=64,
    loss_weight=0.1,
    begin=20_000,
)
model['losses']['srl_denoise'] = dict(
    type='SRLDenoiseLoss',
    slot_dim=64,
    num_near=8,
    loss_weight=0.1,
    begin=20_000,
)
model['losses']['srl_regularization'] = dict(
    type='SRLRegularizationLoss', loss_weight=0.1, end=10_000
)
optim_wrapper = dict(optimizer=dict(lr=8e-4))
