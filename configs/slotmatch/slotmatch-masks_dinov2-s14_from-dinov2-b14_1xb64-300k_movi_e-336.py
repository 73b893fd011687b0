# SlotMatch with masks and attention distilled as well: terms the paper calls
# redundant.
_base_ = './slotmatch_dinov2-s14_from-dinov2-b14_1xb64-300k_movi_e-336.py'
model = dict(
    distill_losses=dict(
        mask_distill=dict(type='MaskDistillLoss', source='masks'),
        attn_distill=dict(type='MaskDistillLoss', source='attn'),
    )
)
