# COCO images as clips of one frame; each folder of images is one "video":
#   <data_root>/images/{train2017,val2017}/*.jpg
#   <data_root>/masks/val2017/*.png      instance ids, drawn from the JSON
#   <data_root>/{train,val}.txt          the names train2017 and val2017
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
        type='VideoFolderDataset',
        data_root=data_root,
        frames_dir='images',
        split='train.txt',
        clip_len=1,
        clip_mode='all',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VideoFolderDataset',
        data_root=data_root,
        frames_dir='images',
        masks_dir='masks',
        split='val.txt',
        clip_len=1,
        clip_mode='all',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='ObjectDiscoveryMetric', background='none', mask_size=224
)
test_evaluator = val_evaluator
