# Single images with instance masks, as DeAOT's first stage: each becomes a
# clip of 5 frames by affine motion and bending, and the objects of another
# are pasted over it. Scored on DAVIS 2017 as vos_davis2017_465. Each folder
# counts alike, whatever the number of its images.
#   SLOTKD_STATIC: JPEGImages/<set>/*.jpg, Annotations/<set>/*.png
static_root = '{{$SLOTKD_STATIC:data/static}}'
davis_root = '{{$SLOTKD_DAVIS:data/DAVIS}}'
test_pipeline = [dict(type='PackVideoInputs')]
train_dataloader = dict(
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='VosClipDataset',
        dataset=dict(
            type='VideoFolderDataset',
            data_root=static_root,
            frames_dir='JPEGImages',
            masks_dir='Annotations',
        ),
        clip_pipeline=[
            dict(type='RandomScaleVideo', scale=(0.7, 1.3), min_size=465),
            dict(type='RandomCropVideo', size=465),
            dict(type='RandomFlipVideo', prob=0.5),
            dict(type='WarpToClip', num_frames=5),
        ],
        pipeline=[dict(type='PackVideoInputs')],
        num_frames=1,
        merge_prob=1.0,
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
