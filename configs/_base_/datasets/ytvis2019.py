# YouTube-VIS 2019: as YouTube-VIS 2021. Nobody has published numbers of a
# first 210 for it.
_base_ = './ytvis2021.py'
data_root = '{{$SLOTKD_DATA_ROOT:data/ytvis_2019}}'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
val_evaluator = dict(
    _delete_=True,
    type='ObjectDiscoveryMetric',
    background='none',
    mask_size=518,
)
test_evaluator = val_evaluator
