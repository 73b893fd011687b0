# YouTube-VIS 2021 in the tars of SlotContrast's converter, read in place; else
# as ytvis2021.py:
#   <data_root>/ytvis-train-{000000..000083}.tar       32 videos each
#   <data_root>/ytvis-validation-{000000..000029}.tar  10 videos each
# Pixels of two instances are not scored. The published code stops at such
# pixels, so the 210 videos of its numbers have none.
_base_ = './ytvis2021.py'
data_root = '{{$SLOTKD_DATA_ROOT:data/ytvis2021_tars}}'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='VideoTarDataset',
        data_root=data_root,
        shards='ytvis-train-{000000..000083}.tar',
        with_masks=False,
        clip_len=4,
        clip_mode='blocks',
        skip_short=True,
        pipeline=_base_.train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='VideoTarDataset',
        data_root=data_root,
        shards='ytvis-validation-{000000..000029}.tar',
        mask_format='channels',
        ignore_overlaps=True,
        pipeline=_base_.test_pipeline,
    )
)
test_dataloader = val_dataloader
