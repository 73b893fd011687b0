# The distillation on Cityscapes, with SSync (Moon and Heo, arXiv:2606.15527)
# between the student's decode head and an auxiliary head on its third level;
# weight and beginning are our choice.
_base_ = (
    './seg-distill_segformer-b0_from-segformer-b5_8xb1-160k_cityscapes-1024.py'
)
model = dict(
    student=dict(
        auxiliary_head=dict(
            type='FCNHead',
            in_channels=160,
            in_index=2,
            channels=64,
            num_convs=1,
            concat_input=False,
            num_classes=19,
            norm_cfg=dict(type='SyncBN'),
            loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4),
        ),
    ),
    losses=dict(
        ssync=dict(type='slotkd.SegSSyncLoss', loss_weight=0.1, begin=48_000)
    ),
)
