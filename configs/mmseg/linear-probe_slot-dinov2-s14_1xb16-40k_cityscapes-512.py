# A linear probe on Cityscapes: one 1x1 convolution on the frozen
# patch features and slots of a SlotContrast model on DINOv2 ViT-S/14. A crop
# of 512x512 is enlarged to the 37x37 patches that it was trained on.
_base_ = [
    'mmseg::_base_/datasets/cityscapes.py',
    'mmseg::_base_/default_runtime.py',
    'mmseg::_base_/schedules/schedule_40k.py',
    '../_base_/models/slot_dinov2_s14_ytvis.py',
]
custom_imports = dict(imports=['slotkd'], allow_failed_imports=False)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='RandomResize',
        scale=(2048, 1024),
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
    ),
    dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        seg_pad_val=255,
        size=(512, 512),
    ),
    backbone=dict(
        type='slotkd.SlotBackbone',
        model=_base_.slot_dinov2_s14_ytvis,
        out=('feats', 'mixed'),
        checkpoint='work_dirs/'
        'slotcontrast_dinov2-s14_1xb64-100k_ytvis2021-518/iter_100000.pth',
    ),
    decode_head=dict(
        type='FCNHead',
        input_transform='resize_concat',
        in_channels=[384, 64],
        in_index=[0, 1],
        channels=448,
        num_convs=0,
        concat_input=False,
        num_classes=19,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(341, 341)),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=1e-4),
)
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
