"""Decoders against the official module, the plain twin and their grids."""

import pytest
import torch

from slotkd.models.slots import (
    MLPDecoder,
    SlotMixerDecoder,
    SlotRelativeDecoder,
)
from tests import golden


@pytest.mark.data
def test_mlp_decoder_equals_the_official_module(shared):
    arrays = golden.load(shared, 'slotcontrast_modules')
    data = golden.prefixed(arrays, 'mlpdec__')
    module = MLPDecoder(16, 23, grid=(5, 7), hidden_dims=(40, 24))
    names = golden.DECODER_NAMES
    golden.load_named(module, golden.prefixed(arrays, 'mlpdec__w__'), names)
    slots = data['slots_in'].requires_grad_()
    output = module(slots, torch.zeros(2, 5, 35), (5, 7))
    masks = output.mask_logits.softmax(dim=1)
    golden.assert_near(output.recon, data['recon'])
    golden.assert_near(masks, data['masks'])

    (
        (output.recon * data['cotangent0']).sum()
        + (masks * data['cotangent1']).sum()
    ).backward()
    golden.assert_near(slots.grad, data['grad_in0'])
    parameters = dict(module.named_parameters())
    grads = golden.prefixed(arrays, 'mlpdec__grad_w__')
    assert len(grads) == len(parameters)
    for name, grad in grads.items():
        golden.assert_near(parameters[golden.renamed(name, names)].grad, grad)


DECODERS = {
    'mlp': lambda: MLPDecoder(16, 7, grid=(3, 4), hidden_dims=(8, 8)),
    'relative': lambda: SlotRelativeDecoder(16, 7, hidden_dims=(8, 8)),
    'mixer': lambda: SlotMixerDecoder(16, 7, grid=(3, 4), hidden_dims=(8,)),
}


@pytest.mark.parametrize('name', DECODERS)
def test_slots_keep_their_order(name):
    module = DECODERS[name]().double()
    slots = torch.randn(2, 5, 16, dtype=torch.float64)
    logits = torch.randn(2, 5, 12, dtype=torch.float64)
    order = torch.tensor([4, 2, 0, 1, 3])
    plain = module(slots, logits, (3, 4))
    mixed = module(slots[:, order], logits[:, order], (3, 4))
    torch.testing.assert_close(mixed.recon, plain.recon)
    torch.testing.assert_close(mixed.mask_logits, plain.mask_logits[:, order])
    assert plain.recon.shape == (2, 12, 7)


@pytest.mark.parametrize('name', ['mlp', 'mixer'])
def test_another_grid_is_refused_with_both_values(name):
    with pytest.raises(ValueError, match=r'\(3, 4\).*\(4, 4\)'):
        DECODERS[name]()(torch.zeros(1, 2, 16), torch.zeros(1, 2, 16), (4, 4))


def test_position_table_can_be_resampled():
    module = MLPDecoder(16, 7, grid=(3, 4), resize_positions=True)
    output = module(torch.zeros(1, 2, 16), torch.zeros(1, 2, 48), (6, 8))
    assert output.mask_logits.shape == (1, 2, 48)
    with torch.no_grad():
        module.pos_emb.fill_(0.5)
    torch.testing.assert_close(
        module.positions((6, 8)), torch.full((48, 16), 0.5)
    )


def test_relative_decoder_draws_alike_wherever_the_slot_looks():
    module = SlotRelativeDecoder(16, 7, hidden_dims=(8, 8)).double()
    slots = torch.randn(1, 1, 16, dtype=torch.float64).expand(1, 3, 16)
    logits = torch.full((1, 3, 6, 6), -30.0, dtype=torch.float64)
    logits[:, 0, 1:3, 1:3] = 30
    logits[:, 1, 3:5, 2:4] = 30
    logits[:, 2] = -logits[:, :2].amax(dim=1)
    drawn = module(slots, logits.flatten(2), (6, 6)).mask_logits
    drawn = drawn.unflatten(2, (6, 6))
    torch.testing.assert_close(
        drawn[0, 1, 3:5, 2:4], drawn[0, 0, 1:3, 1:3], atol=1e-6, rtol=0
    )
    assert not torch.allclose(drawn[0, 1, 1:3, 1:3], drawn[0, 0, 1:3, 1:3])


def test_relative_decoder_teaches_slots_where_to_look():
    module = SlotRelativeDecoder(16, 7, hidden_dims=(8,))
    logits = torch.randn(1, 3, 12, requires_grad=True)
    module(torch.randn(1, 3, 16), logits, (3, 4)).recon.sum().backward()
    assert logits.grad.any()
