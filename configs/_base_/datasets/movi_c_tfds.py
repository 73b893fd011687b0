# MOVi-C as Kubric publishes it, in TFRecord files read in place; else as
# movi_c.py. 128 is the size of SlotContrast's converter, there is 256, too.
_base_ = './movi_c.py'
data_root = '{{$SLOTKD_DATA_ROOT:data/movi_c/128x128/1.0.0}}'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MoviTfdsDataset',
        data_root=data_root,
        split='train',
        with_masks=False,
        clip_len=4,
        clip_mode='blocks',
        pipeline=_base_.train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MoviTfdsDataset',
        data_root=data_root,
        split='validation',
        pipeline=_base_.test_pipeline,
    )
)
test_dataloader = val_dataloader
