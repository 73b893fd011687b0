"""A FCN head on the maps of the slot model of slots.py, frozen."""

_base_ = ['_base_/runtime.py', '_base_/shapes.py', '_base_/slot_model.py']
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(
        type='slotkd.SlotBackbone',
        model=_base_.slot_model,
        out=['feats', 'mixed', 'masks'],
        checkpoint='work_dirs/slots/iter_500.pth',
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=[27, 32, 7],
        in_index=[0, 1, 2],
        input_transform='resize_concat',
        channels=32,
        num_convs=2,
        num_classes=4,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
