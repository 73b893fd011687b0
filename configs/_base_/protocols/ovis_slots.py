# OVIS, annotated train videos, for slot models that never saw OVIS: as
# YTVIS-2021.
#   <data_root>/annotations/annotations_train.json (or annotations_train.json)
#   <data_root>/train/<video>/img_*.jpg
#   python tools/test.py CONFIG CKPT --protocol <this file>
data_root = '{{$SLOTKD_DATA_ROOT:data/ovis}}'
test_pipeline = [
    dict(type='ResizeVideo', short_side=518, interpolation='bicubic'),
    dict(type='CenterCropVideo', size=518),
    dict(type='PackVideoInputs'),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='YTVISDataset',
        data_root=data_root,
        ann_file=[
            'annotations/annotations_train.json',
            'annotations_train.json',
        ],
        frames_dir='train',
        ignore_overlaps=True,
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(
    type='ObjectDiscoveryMetric', background='none', mask_size=518
)
