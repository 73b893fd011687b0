# Video AP without classes of slots on the last 300 annotated videos of
# YTVIS-2021. Frames are squashed to 518x518 as a whole and the maps brought
# back; a slot's score is its mean probability where it wins, so the model
# must keep its maps:
#   python tools/test.py CONFIG CKPT --protocol <this file> \
#       --cfg-options model.keep_maps=True
# (of a distiller: model.student.keep_maps=True)
data_root = '{{$SLOTKD_DATA_ROOT:data/ytvis_2021}}'
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
        type='YTVISDataset',
        data_root=data_root,
        ann_file='train.json',
        frames_dir='train/JPEGImages',
        video_range=(-300, None),
        ignore_overlaps=True,
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(
    type='VideoInstanceMetric',
    ann_file=data_root + '/train.json',
    video_range=(-300, None),
    class_agnostic=True,
)
