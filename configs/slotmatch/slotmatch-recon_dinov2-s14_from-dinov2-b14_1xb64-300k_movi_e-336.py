# SlotMatch with the reconstruction distilled as well: a term the paper calls
# redundant.
_base_ = './slotmatch_dinov2-s14_from-dinov2-b14_1xb64-300k_movi_e-336.py'
model = dict(
    distill_losses=dict(
        recon_distill=dict(
            type='FeatureDistillLoss',
            student_dim=384,
            teacher_dim=768,
            source='recon',
        )
    )
)
