"""The predictor against the official module and its logit scale."""

import pytest
import torch

from slotkd.models.slots import TransformerPredictor
from tests import golden


@pytest.mark.data
@pytest.mark.parametrize('num_blocks', [1, 2])
def test_equals_the_official_module(num_blocks, shared):
    case = f'predictor{num_blocks}__'
    arrays = golden.load(shared, 'slotcontrast_modules')
    data = golden.prefixed(arrays, case)
    module = TransformerPredictor(16, num_blocks=num_blocks)
    names = golden.PREDICTOR_NAMES
    golden.load_named(module, golden.prefixed(arrays, f'{case}w__'), names)
    slots = data['slots_in'].requires_grad_()
    output = module(slots)
    golden.assert_near(output, data['slots_out'])

    (output * data['cotangent0']).sum().backward()
    golden.assert_near(slots.grad, data['grad_in0'])
    parameters = dict(module.named_parameters())
    grads = golden.prefixed(arrays, f'{case}grad_w__')
    assert len(grads) == len(parameters)
    for name, grad in grads.items():
        golden.assert_near(parameters[golden.renamed(name, names)].grad, grad)


@pytest.mark.parametrize('slot_dim', [64, 128])
def test_logit_scales_differ_by_the_head_width(slot_dim):
    scales = [
        TransformerPredictor(slot_dim, logit_scale=mode).blocks[0].scale
        for mode in ('multiply', 'divide')
    ]
    assert scales[0] / scales[1] == pytest.approx(slot_dim / 4)


def test_slots_are_permuted_with_their_input():
    module = TransformerPredictor(16).double()
    slots = torch.randn(2, 5, 16, dtype=torch.float64)
    order = torch.tensor([4, 2, 0, 1, 3])
    torch.testing.assert_close(
        module(slots[:, order]), module(slots)[:, order]
    )


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_heads=3), 'slot_dim 16 must divide by num_heads 3'),
        (dict(logit_scale='none'), "logit_scale='none' is not one of"),
    ],
)
def test_refuses_what_does_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        TransformerPredictor(16, **options)
