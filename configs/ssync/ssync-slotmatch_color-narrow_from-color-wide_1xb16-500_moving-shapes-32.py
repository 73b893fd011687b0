# SSync and SlotMatch together: the student of the quick start, which also
# learns from its own attention and masks.
_base_ = (
    '../quickstart/'
    'slotmatch_color-narrow_from-color-wide_1xb16-500_moving-shapes-32.py'
)
model = dict(
    student=dict(
        losses=dict(
            ssync=dict(
                type='SSyncLoss', iou_thr=0.7, loss_weight=0.04, begin=150
            )
        )
    )
)
