"""SegFormer-B0, the student, and B1, four times as large, its teacher."""

norm_cfg = dict(type='BN')
head = dict(
    type='SegformerHead',
    in_index=[0, 1, 2, 3],
    channels=128,
    dropout_ratio=0.1,
    num_classes=4,
    norm_cfg=norm_cfg,
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False),
)
segformer_b0 = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=32,
        num_layers=[2, 2, 2, 2],
        num_heads=[1, 2, 5, 8],
    ),
    decode_head=dict(**head, in_channels=[32, 64, 160, 256]),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
segformer_b1 = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=64,
        num_layers=[2, 2, 2, 2],
        num_heads=[1, 2, 5, 8],
    ),
    decode_head=dict(**head, in_channels=[64, 128, 320, 512]),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
