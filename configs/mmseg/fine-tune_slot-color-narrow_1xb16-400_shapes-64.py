# The quick start's slot model fine-tuned on shapes below a convolutional head.
_base_ = './linear-probe_slot-color-narrow_1xb16-400_shapes-64.py'
model = dict(
    backbone=dict(frozen=False),
    decode_head=dict(num_convs=2, channels=32, norm_cfg=dict(type='BN')),
)
