# OVIS for query models.
_base_ = ['vis_clips.py']
train_pipeline = [
    *_base_.load_steps,
    dict(
        type='MinorPaste',
        ann_file='data/ovis/annotations/annotations_train.json',
        frames_root='data/ovis/train',
    ),
    *_base_.augment_steps,
]
train_dataloader = dict(
    dataset=dict(
        ann_file='data/ovis/annotations/annotations_train_frames.json',
        frames_root='data/ovis/train',
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='data/ovis/annotations/annotations_valid_frames.json',
        frames_root='data/ovis/valid',
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(out_file='work_dirs/results/ovis/results.json')
test_evaluator = val_evaluator
