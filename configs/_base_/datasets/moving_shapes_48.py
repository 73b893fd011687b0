# Moving shapes drawn on the fly, 48x48; needs no files.
_base_ = './moving_shapes_32.py'
train_dataloader = dict(batch_size=24, dataset=dict(size=48))
val_dataloader = dict(dataset=dict(size=48))
test_dataloader = dict(dataset=dict(size=48))
val_evaluator = dict(mask_size=48)
test_evaluator = dict(mask_size=48)
