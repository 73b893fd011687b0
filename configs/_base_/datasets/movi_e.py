# MOVi-E: as MOVi-C.
_base_ = './movi_c.py'
data_root = '{{$SLOTKD_DATA_ROOT:data/movi_e}}'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
