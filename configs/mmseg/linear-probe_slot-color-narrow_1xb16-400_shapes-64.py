# A linear probe of the quick start's slot model on shapes: one 1x1
# convolution on its frozen patch features, slots and masks.
_base_ = [
    'mmseg::_base_/default_runtime.py',
    '../_base_/models/slot_color_narrow.py',
    '../_base_/datasets/shapes_64.py',
    '../_base_/schedules/seg_400.py',
]
custom_imports = dict(imports=['slotkd'], allow_failed_imports=False)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.5] * 3,
        std=[127.5] * 3,
        bgr_to_rgb=True,
        seg_pad_val=255,
        size=(64, 64),
    ),
    backbone=dict(
        type='slotkd.SlotBackbone',
        model=_base_.slot_color_narrow,
        out=('feats', 'mixed', 'masks'),
        checkpoint='work_dirs/'
        'slotcontrast_color-narrow_1xb16-500_moving-shapes-32/iter_500.pth',
    ),
    decode_head=dict(
        type='FCNHead',
        input_transform='resize_concat',
        in_channels=[27, 32, 7],
        in_index=[0, 1, 2],
        channels=66,
        num_convs=0,
        concat_input=False,
        num_classes=6,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
