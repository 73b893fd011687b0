# YouTube-VOS 2019 and five times DAVIS 2017 for training, as DeAOT's second
# stage: clips of 5 frames, gaps up to 3 (6 fps) and 12 (24 fps), 30 % merged.
# Scored on the validation sequences of DAVIS 2017 at 480p, as they are on
# disk.
#   SLOTKD_YTVOS: train/{JPEGImages,Annotations}, train/meta.json
#   SLOTKD_DAVIS: JPEGImages/480p, Annotations/480p, ImageSets/2017
ytvos_root = '{{$SLOTKD_YTVOS:data/ytvos2019}}'
davis_root = '{{$SLOTKD_DAVIS:data/DAVIS}}'
clip_pipeline = [
    dict(type='RandomScaleVideo', scale=(0.7, 1.3), min_size=465),
    dict(type='RandomCropVideo', size=465),
    dict(type='RandomFlipVideo', prob=0.5),
]
train_pipeline = [dict(type='PackVideoInputs')]
test_pipeline = [dict(type='PackVideoInputs')]
ytvos_clips = dict(
    type='VosClipDataset',
    dataset=dict(
        type='VideoFolderDataset',
        data_root=ytvos_root,
        frames_dir='train/JPEGImages',
        masks_dir='train/Annotations',
        meta_file='train/meta.json',
    ),
    clip_pipeline=clip_pipeline,
    pipeline=train_pipeline,
    num_frames=5,
    max_gap=3,
)
davis_clips = dict(
    type='VosClipDataset',
    dataset=dict(
        type='VideoFolderDataset',
        data_root=davis_root,
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations/480p',
        split='ImageSets/2017/train.txt',
    ),
    clip_pipeline=clip_pipeline,
    pipeline=train_pipeline,
    num_frames=5,
    max_gap=12,
)
train_dataloader = dict(
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='ConcatDataset',
        datasets=[
            ytvos_clips,
            dict(type='RepeatDataset', times=5, dataset=davis_clips),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VideoFolderDataset',
        data_root=davis_root,
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations/480p',
        split='ImageSets/2017/val.txt',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='DavisMetric', protocol='semi-supervised')
test_evaluator = val_evaluator
