# The same slot model fine-tuned on ADE20K, its ViT included, below a
# convolutional head; the pretrained part learns ten times slower.
_base_ = './linear-probe_slot-dinov2-s14_1xb16-40k_ade20k-512.py'
model = dict(
    backbone=dict(frozen=False, model=dict(backbone=dict(frozen=False))),
    decode_head=dict(num_convs=2, channels=256, norm_cfg=dict(type='SyncBN')),
)
optim_wrapper = dict(
    optimizer=dict(lr=1e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
    clip_grad=dict(_delete_=True, max_norm=1.0),
)
