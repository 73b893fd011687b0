# Any videos in the layout of DAVIS, small enough for a light backbone:
#   <data_root>/JPEGImages/480p/<video>/*.jpg
#   <data_root>/Annotations/480p/<video>/*.png   object ids, 0 background
#   <data_root>/ImageSets/2017/{train,val}.txt   names of videos
# Masks are read for validation only.
data_root = '{{$SLOTKD_DATA_ROOT:data/davis}}'
train_pipeline = [
    dict(type='ResizeVideo', short_side=224),
    dict(type='RandomCropVideo', size=224),
    dict(type='RandomFlipVideo', prob=0.5),
    dict(type='PackVideoInputs'),
]
test_pipeline = [
    dict(type='ResizeVideo', short_side=224),
    dict(type='CenterCropVideo', size=224),
    dict(type='PackVideoInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='VideoFolderDataset',
        data_root=data_root,
        frames_dir='JPEGImages/480p',
        split='ImageSets/2017/train.txt',
        clip_len=4,
        clip_mode='random',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VideoFolderDataset',
        data_root=data_root,
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations/480p',
        split='ImageSets/2017/val.txt',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ObjectDiscoveryMetric', mask_size=224)
test_evaluator = val_evaluator
