# YouTube-VOS 2019: trained on the train videos but those of a list, scored on
# the videos of that list at 1.3 times 480p, with objects that appear later.
# The official validation truth is not public: this is a proxy. The names of
# its categories that training does not show belong into ``unseen`` below, and
# no video with one of them into proxy_train.txt.
#   SLOTKD_YTVOS: train/{JPEGImages,Annotations}, train/meta.json,
#   proxy_train.txt and proxy_val.txt, names of videos
ytvos_root = '{{$SLOTKD_YTVOS:data/ytvos2019}}'
train_pipeline = [dict(type='PackVideoInputs')]
test_pipeline = [
    dict(type='ResizeVideo', short_side=624, with_masks=False),
    dict(type='PackVideoInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='VosClipDataset',
        dataset=dict(
            type='VideoFolderDataset',
            data_root=ytvos_root,
            frames_dir='train/JPEGImages',
            masks_dir='train/Annotations',
            meta_file='train/meta.json',
            split='proxy_train.txt',
        ),
        clip_pipeline=[
            dict(type='RandomScaleVideo', scale=(0.7, 1.3), min_size=465),
            dict(type='RandomCropVideo', size=465),
            dict(type='RandomFlipVideo', prob=0.5),
        ],
        pipeline=train_pipeline,
        num_frames=5,
        max_gap=3,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VideoFolderDataset',
        data_root=ytvos_root,
        frames_dir='train/JPEGImages',
        masks_dir='train/Annotations',
        meta_file='train/meta.json',
        split='proxy_val.txt',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='YouTubeVosMetric', unseen=['ape', 'zebra'])
test_evaluator = val_evaluator
