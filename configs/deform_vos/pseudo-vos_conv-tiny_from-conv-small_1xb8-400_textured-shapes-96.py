# The control: the quick student on its teacher's masks alone, without
# attention and relations.
_base_ = [
    'deform-vos_conv-tiny_from-conv-small_1xb8-400_textured-shapes-96.py'
]
model = dict(
    distill_losses=dict(
        _delete_=True,
        pseudo_label=dict(
            type='PseudoLabelLoss', hard_iters=200, reference_iters=400
        ),
    )
)
