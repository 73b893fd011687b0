# DAVIS-2017 semi-supervised: J and F of the validation sequences at 480p for
# models that are given the masks of the first frame; first and last frame are
# not scored.
#   python tools/test.py CONFIG CKPT --protocol <this file>
data_root = '{{$SLOTKD_DATA_ROOT:data/DAVIS}}'
test_pipeline = [dict(type='PackVideoInputs')]
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
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
test_evaluator = dict(type='DavisMetric', protocol='semi-supervised')
