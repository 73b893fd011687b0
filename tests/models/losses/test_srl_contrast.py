"""SRL's slot contrast against the official numbers and a slow loop."""

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.losses.srl_contrast import (
    SRLContrastLoss,
    srl_contrast_loss,
)
from tests import golden, tiny


@pytest.mark.data
@pytest.mark.parametrize('case', ['one', 'groups_of_two'])
def test_official_case(shared, case):
    arrays = golden.prefixed(golden.load(shared, 'srl_official'), f'{case}__')
    slots = arrays['slots'].requires_grad_()
    loss = srl_contrast_loss(slots)
    assert abs(loss.item() - arrays['slot_contrast_loss']) <= 1e-5
    loss.backward()
    golden.assert_near(slots.grad, arrays['slot_contrast_grad_slots'])


def test_equals_a_loop_over_slots():
    slots = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    unit = F.normalize(slots, dim=-1)
    places = [(b, t, k) for b in range(2) for t in range(4) for k in range(3)]
    losses = []
    for b, t, k in places:
        cosines = {p: unit[b, t, k] @ unit[p] / 0.1 for p in places}
        same = {p: p[0] == b and p[2] == k for p in places}
        near = {p for p in places if same[p] and abs(p[1] - t) == 1}
        counted = [c for p, c in cosines.items() if not same[p] or p in near]
        partition = torch.stack(counted).logsumexp(0)
        losses += [sum(partition - cosines[p] for p in near) / len(near)]
    expected = torch.stack(losses).mean() * 0.1 / 0.07
    torch.testing.assert_close(srl_contrast_loss(slots), expected)


def test_steady_slots_are_better_and_scale_and_order_do_not_matter():
    steady = torch.randn(2, 1, 4, 8).expand(2, 3, 4, 8)
    loss = srl_contrast_loss(steady)
    assert loss < srl_contrast_loss(torch.randn(2, 3, 4, 8))
    torch.testing.assert_close(srl_contrast_loss(steady * 3), loss)
    moved = steady[:, :, torch.randperm(4)]
    torch.testing.assert_close(srl_contrast_loss(moved), loss)


def test_one_frame_gives_a_connected_zero():
    slots = torch.randn(2, 1, 4, 8, requires_grad=True)
    loss = srl_contrast_loss(slots)
    assert loss == 0
    loss.backward()
    assert (slots.grad == 0).all()


def test_gradcheck_and_half_precision():
    slots = torch.randn(1, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(srl_contrast_loss, slots)
    half = slots.detach().bfloat16().requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = srl_contrast_loss(half)
    assert loss.dtype == torch.float32
    loss.backward()
    assert half.grad.isfinite().all()


def test_module():
    output = tiny.build(tiny.slot_model()).run(tiny.clips(), ('slots',))
    loss = SRLContrastLoss(temperature=0.2)(output)
    assert torch.equal(loss, srl_contrast_loss(output.slots, 0.2))
