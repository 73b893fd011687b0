# SlotMatch with the squared difference in place of the cosine.
_base_ = './slotmatch_dinov2-s14_from-dinov2-b14_1xb64-300k_movi_e-336.py'
model = dict(
    distill_losses=dict(
        slot_match=dict(
            _delete_=True,
            type='SlotRegressionLoss',
            student_dim=128,
            teacher_dim=128,
        )
    )
)
