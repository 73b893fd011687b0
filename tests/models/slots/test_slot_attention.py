"""Slot attention against the official module and its own properties."""

import pytest
import torch

from slotkd.models.slots import SlotAttention
from tests import golden

CASES = {
    'sa_mlp': dict(mlp_dim=48),
    'sa_nogru': dict(mlp_dim=16, use_gru=False),
    'sa_nomlp': dict(mlp_dim=0),
    'sa_one': dict(kvq_dim=24, mlp_dim=32),
}


@pytest.mark.data
@pytest.mark.parametrize('case', CASES)
def test_equals_the_official_module(case, shared):
    arrays = golden.load(shared, 'slotcontrast_modules')
    data = golden.prefixed(arrays, f'{case}__')
    module = SlotAttention(16, 20, **CASES[case])
    names = golden.SLOT_ATTENTION_NAMES
    golden.load_named(module, golden.prefixed(arrays, f'{case}__w__'), names)
    slots = data['slots_in'].requires_grad_()
    tokens = data['features'].requires_grad_()
    output = module(slots, tokens, (5, 7), int(data['n_iters']))
    attn = output.attn_logits.softmax(dim=1)
    golden.assert_near(output.slots, data['slots_out'])
    golden.assert_near(attn, data['attn'])

    (
        (output.slots * data['cotangent0']).sum()
        + (attn * data['cotangent1']).sum()
    ).backward()
    golden.assert_near(slots.grad, data['grad_in0'])
    golden.assert_near(tokens.grad, data['grad_in1'])
    grads = golden.prefixed(arrays, f'{case}__grad_w__')
    parameters = dict(module.named_parameters())
    assert len(grads) == len(parameters)
    for name, grad in grads.items():
        golden.assert_near(parameters[golden.renamed(name, names)].grad, grad)


@pytest.fixture
def frame():
    torch.manual_seed(1)
    slots = torch.randn(2, 4, 16, dtype=torch.float64)
    slots = torch.nn.functional.layer_norm(slots, (16,))
    return slots, torch.randn(2, 12, 20, dtype=torch.float64)


@pytest.mark.parametrize('normalize_state', [True, False])
def test_normalised_state_ignores_scale_and_shift(frame, normalize_state):
    slots, tokens = frame
    module = SlotAttention(16, 20, normalize_state=normalize_state).double()
    plain = module(slots, tokens, (3, 4), 2).slots
    moved = module(3 * slots + 1, tokens, (3, 4), 2).slots
    change = float((plain - moved).detach().abs().max())
    assert change < 1e-4 if normalize_state else change > 1e-2


def test_slots_are_permuted_with_their_start(frame):
    slots, tokens = frame
    module = SlotAttention(16, 20).double()
    order = torch.tensor([2, 0, 3, 1])
    plain = module(slots, tokens, (3, 4), 3)
    mixed = module(slots[:, order], tokens, (3, 4), 3)
    torch.testing.assert_close(mixed.slots, plain.slots[:, order])
    torch.testing.assert_close(mixed.attn_logits, plain.attn_logits[:, order])


def test_token_attention_sums_to_one_over_tokens(frame):
    module = SlotAttention(16, 20).double()
    token_attn = module(*frame, (3, 4), 3).token_attn
    torch.testing.assert_close(
        token_attn.sum(-1), torch.ones(2, 4), check_dtype=False
    )


def test_eps_modes_differ_only_for_starved_slots(frame):
    slots, tokens = frame
    modules = [
        SlotAttention(16, 20, eps_mode=mode).double()
        for mode in ('before', 'sum')
    ]
    modules[1].load_state_dict(modules[0].state_dict())
    before, after = (m(slots, tokens, (3, 4), 1).slots for m in modules)
    assert 0 < float((before - after).detach().abs().max()) < 1e-6


def test_mlp_of_the_last_iteration_can_be_left_out(frame):
    slots, tokens = frame
    module = SlotAttention(16, 20, mlp_last_iter=False).double()
    twin = SlotAttention(16, 20, mlp_dim=0).double()
    twin.load_state_dict(
        {k: v for k, v in module.state_dict().items() if 'mlp' not in k}
    )
    torch.testing.assert_close(
        module(slots, tokens, (3, 4), 1).slots,
        twin(slots, tokens, (3, 4), 1).slots,
    )


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(use_gru=False, kvq_dim=8), 'kvq_dim 8 must equal slot_dim 16'),
        (dict(eps_mode='after'), "eps_mode='after' is not one of"),
    ],
)
def test_refuses_what_does_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        SlotAttention(16, 20, **options)
