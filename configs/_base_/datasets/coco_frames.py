# COCO 2017 as it is unpacked: images as clips of one frame, trained on
# without labels, scored image by image on val2017.
#   <data_root>/{train2017,val2017}/*.jpg
#   <data_root>/annotations/instances_{train2017,val2017}.json
# Groups (iscrowd) are background; pixels of two instances are not scored.
data_root = '{{$SLOTKD_DATA_ROOT:data/coco}}'
train_pipeline = [
    dict(type='ResizeVideo', short_side=224, interpolation='bicubic'),
    dict(type='RandomCropVideo', size=224),
    dict(type='RandomFlipVideo', prob=0.5),
    dict(type='PackVideoInputs'),
]
test_pipeline = [
    dict(type='ResizeVideo', short_side=224, interpolation='bicubic'),
    dict(type='CenterCropVideo', size=224),
    dict(type='PackVideoInputs'),
]
train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CocoImageDataset',
        data_root=data_root,
        ann_file='annotations/instances_train2017.json',
        frames_dir='train2017',
        with_masks=False,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='CocoImageDataset',
        data_root=data_root,
        ann_file='annotations/instances_val2017.json',
        frames_dir='val2017',
        ignore_overlaps=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='ObjectDiscoveryMetric', background='none', mask_size=224
)
test_evaluator = val_evaluator
