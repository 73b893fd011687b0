# DAVIS-2017 unsupervised: J and F of the validation sequences at 480p, slots
# as proposals, at most 20, matched one to one over the whole video. Frames
# are squashed to 518x518 as a whole and the maps brought back to 480p.
#   python tools/test.py CONFIG CKPT --protocol <this file>
data_root = '{{$SLOTKD_DATA_ROOT:data/DAVIS}}'
test_pipeline = [
    dict(
        type='ResizeVideo', size=518, interpolation='bicubic', with_masks=False
    ),
    dict(type='PackVideoInputs'),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VideoFolderDataset',
        data_root=data_root,
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations_unsupervised/480p',
        split='ImageSets/2017/val.txt',
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type='DavisMetric', protocol='unsupervised')
