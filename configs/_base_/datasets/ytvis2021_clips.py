# YouTube-VIS 2021 for query models.
_base_ = ['vis_clips.py']
train_pipeline = [
    *_base_.load_steps,
    dict(
        type='MinorPaste',
        ann_file='data/ytvis_2021/train.json',
        frames_root='data/ytvis_2021/train/JPEGImages',
    ),
    *_base_.augment_steps,
]
train_dataloader = dict(
    dataset=dict(
        ann_file='data/ytvis_2021/train_frames.json',
        frames_root='data/ytvis_2021/train/JPEGImages',
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='data/ytvis_2021/valid_frames.json',
        frames_root='data/ytvis_2021/valid/JPEGImages',
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(out_file='work_dirs/results/ytvis2021/results.json')
test_evaluator = val_evaluator
