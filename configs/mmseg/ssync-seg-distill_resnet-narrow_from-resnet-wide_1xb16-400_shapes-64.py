# The distillation on shapes, with SSync (Moon and Heo, arXiv:2606.15527)
# between the student's decode head and its auxiliary head.
_base_ = './seg-distill_resnet-narrow_from-resnet-wide_1xb16-400_shapes-64.py'
model = dict(
    losses=dict(
        ssync=dict(
            type='slotkd.SegSSyncLoss', loss_weight=0.1, begin=120, ramp=80
        )
    )
)
