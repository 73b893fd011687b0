"""The same, with SSync between the decode head and an auxiliary head.

The one's boundaries teach the other, the other's interiors the one.
"""

_base_ = ['segformer_b0_from_b1.py']
model = dict(
    student=dict(
        auxiliary_head=dict(
            type='FCNHead',
            in_channels=64,
            in_index=1,
            channels=32,
            num_convs=1,
            num_classes=4,
            norm_cfg=dict(type='BN'),
            align_corners=False,
            loss_decode=dict(
                type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4
            ),
        )
    ),
    losses=dict(ssync=dict(type='SegSSyncLoss', loss_weight=0.1, begin=100)),
)
