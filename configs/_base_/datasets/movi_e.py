# MOVi-E: as MOVi-C.
_base_ = './movi_c.py'
data_root = '{{$SLOTKD_DATA_ROOT:data/movi_e}}'
train_dataloader = dict(
    dataset=dict(
        data_root=data_root, shards='movi_e-train-{000000..000304}.tar'
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root, shards='movi_e-validation-{000000..000007}.tar'
    )
)
test_dataloader = val_dataloader
