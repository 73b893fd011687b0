"""SRL's slot regularisation: official numbers, choice of slots, limits."""

import dataclasses
import json

import pytest
import torch

from slotkd.models.losses.srl_regularization import (
    SRLRegularizationLoss,
    redundant_slots,
    slot_regularization_loss,
)
from tests import golden, tiny


@pytest.mark.data
@pytest.mark.parametrize('case', ['one', 'groups_of_two'])
def test_official_case(shared, case):
    arrays = golden.prefixed(golden.load(shared, 'srl_official'), f'{case}__')
    facts = json.loads(
        (shared / 'golden' / 'a' / 'srl_official.json').read_text()
    )['cases'][case]
    attn = arrays['reg_attn'].requires_grad_()
    loss = slot_regularization_loss(attn, arrays['slots'], facts['kreg'])
    assert abs(loss.item() - arrays['reg_loss']) <= 1e-5
    loss.backward()
    golden.assert_near(attn.grad, arrays['reg_grad_attn'])
    with torch.no_grad():
        ratio = (attn + 1e-8) * attn.shape[3]
        divergence = (attn * ratio.log()).sum(3).mean(1)
    chosen = redundant_slots(arrays['slots'][:, -1], divergence, facts['kreg'])
    assert torch.equal(chosen, arrays['reg_chosen'])


def slots_at(*degrees):
    angle = torch.tensor(degrees).deg2rad()
    return torch.stack((angle.cos(), angle.sin()), dim=1)[None]


def test_of_each_pair_of_twins_the_one_closer_to_uniform():
    slots = slots_at(0.0, 90.0, 92.0, 5.0, 180.0)
    divergence = torch.tensor([[3.0, 1.0, 2.0, 0.5, 0.1]])
    # 1 and 2 are 2 degrees apart, then 0 and 3; then 2 and 4 by 88, 0 and 2.
    chosen = redundant_slots(slots, divergence, 3)
    assert chosen.tolist() == [[1, 3, 4]]


def test_first_of_a_tie():
    slots = slots_at(0.0, 0.0, 90.0)
    assert redundant_slots(slots, torch.ones(1, 3), 1).tolist() == [[0]]


def test_choice_follows_a_permutation_of_slots():
    slots, divergence = torch.randn(3, 6, 8), torch.rand(3, 6)
    chosen = redundant_slots(slots, divergence, 3)
    assert all(len(set(row)) == 3 for row in chosen.tolist())
    order = torch.randperm(6)
    moved = redundant_slots(slots[:, order], divergence[:, order], 3)
    assert torch.equal(order[moved], chosen)


@pytest.mark.parametrize(('num_slots', 'expected'), [(5, 2), (6, 3), (2, 1)])
def test_half_of_the_slots_by_default(num_slots, expected):
    attn = torch.rand(2, 3, num_slots, 9).softmax(3).requires_grad_()
    slots = torch.randn(2, 3, num_slots, 4, requires_grad=True)
    slot_regularization_loss(attn, slots).backward()
    touched = (attn.grad.abs().sum((1, 3)) > 0).sum(1)
    assert touched.tolist() == [expected] * 2
    assert slots.grad is None


def test_uniform_attention_is_the_optimum():
    slots = torch.randn(1, 2, 4, 3)
    uniform = torch.full((1, 2, 4, 8), 1 / 8)
    assert abs(slot_regularization_loss(uniform, slots)) < 1e-6
    peaked = torch.zeros(1, 2, 4, 8)
    peaked[..., 0] = 1
    loss = slot_regularization_loss(peaked, slots)
    torch.testing.assert_close(loss, torch.tensor(8.0).log())


def test_a_single_slot_gives_a_connected_zero():
    attn = torch.full((1, 2, 1, 4), 0.25, requires_grad=True)
    loss = slot_regularization_loss(attn, torch.randn(1, 2, 1, 3))
    assert loss == 0
    loss.backward()
    assert (attn.grad == 0).all()


def test_too_many_slots():
    with pytest.raises(ValueError, match=r'num_chosen=4 is not in \[1, 3\]'):
        redundant_slots(torch.randn(1, 4, 3), torch.rand(1, 4), 4)


def test_module_reads_the_record_of_a_model():
    model = tiny.build(tiny.slot_model())
    output = model(tiny.clips())
    loss = SRLRegularizationLoss()(output)
    expected = slot_regularization_loss(output.token_attn, output.slots)
    assert torch.equal(loss, expected)
    assert loss > 0
    loss.backward()
    assert model.corrector.to_k.weight.grad.abs().sum() > 0
    without = dataclasses.replace(output, token_attn=None)
    with pytest.raises(ValueError, match='token_attn is None'):
        SRLRegularizationLoss()(without)
