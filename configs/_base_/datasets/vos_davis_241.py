# Any videos in the layout of DAVIS, trained on at half size: of the train
# videos the mask of frame 0 is read and no other; validation videos are seen
# at 480p and scored at the size on disk.
#   SLOTKD_DATA_ROOT: JPEGImages/480p, Annotations/480p, ImageSets/2017
data_root = '{{$SLOTKD_DATA_ROOT:data/davis}}'
test_pipeline = [
    dict(type='ResizeVideo', short_side=481, with_masks=False),
    dict(type='PackVideoInputs'),
]
videos = dict(
    type='VideoFolderDataset',
    data_root=data_root,
    frames_dir='JPEGImages/480p',
    masks_dir='Annotations/480p',
    split='ImageSets/2017/train.txt',
)
# Real clips, of one object each and with the mask of the first frame.
real_clips = dict(
    type='VosClipDataset',
    dataset=videos,
    clip_pipeline=[
        dict(type='ResizeVideo', short_side=256),
        dict(type='RandomScaleVideo', scale=(0.9, 1.2), min_size=241),
        dict(type='RandomCropVideo', size=241),
        dict(type='RandomFlipVideo', prob=0.5),
    ],
    pipeline=[dict(type='PackVideoInputs')],
    num_frames=4,
    max_gap=3,
    reference='first',
    reverse_prob=0,
    merge_prob=0,
    min_object_pixels=100,
    max_objects=3,
)
# Clips made of first frames by affine motion and bending, with masks of all
# frames; objects of one move over another.
warped_clips = dict(
    type='VosClipDataset',
    dataset=videos,
    clip_pipeline=[
        dict(type='ResizeVideo', short_side=256),
        dict(type='RandomScaleVideo', scale=(0.9, 1.4), min_size=241),
        dict(type='RandomCropVideo', size=241),
        dict(type='RandomFlipVideo', prob=0.5),
        dict(
            type='WarpToClip',
            num_frames=4,
            degrees=15,
            translate=0.15,
            scale=0.15,
            bend=0.03,
        ),
    ],
    pipeline=[dict(type='PackVideoInputs')],
    num_frames=1,
    max_gap=3,
    reference='first',
    reverse_prob=0,
    merge_prob=0.7,
    min_object_pixels=100,
    max_objects=3,
)
# Clips made in the same way of regions of any frame, moving over another: no
# mask is read.
region_clips = dict(
    warped_clips,
    dataset=dict(
        type='VideoFolderDataset',
        data_root=data_root,
        frames_dir='JPEGImages/480p',
        split='ImageSets/2017/train.txt',
    ),
    reference='random',
    merge_prob=1,
    regions=dict(place_weight=4),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
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
val_evaluator = dict(type='DavisMetric', protocol='semi-supervised')
test_evaluator = val_evaluator
