"""Invariant slot attention: slots carry their own coordinates."""

import pytest
import torch
from torch import nn

from slotkd.models.slots import InvariantSlotAttention, SlotAttention
from slotkd.ops.attention import slot_geometry
from tests import tiny

F64 = torch.float64
GRID = (3, 4)


@pytest.fixture
def module():
    torch.manual_seed(3)
    return InvariantSlotAttention(16, 20).double()


@pytest.fixture
def frame():
    torch.manual_seed(1)
    return torch.randn(2, 4, 16, dtype=F64), torch.randn(2, 12, 20, dtype=F64)


def some_geometry(batch=2, slots=4):
    centre = torch.rand(batch, slots, 2, dtype=F64) - 0.5
    return torch.cat([centre, centre.abs() + 0.2], dim=-1)


def test_moved_picture_and_slots_keep_their_logits(module):
    h, w, down, right = 6, 9, 2, 3
    tokens = torch.randn(1, h, w, 20, dtype=F64)
    moved = torch.randn(1, h, w, 20, dtype=F64)
    moved[:, down:, right:] = tokens[:, :-down, :-right]
    slots = torch.randn(1, 4, 16, dtype=F64)
    here = some_geometry(batch=1)
    there = here + torch.tensor([2 * right / w, 2 * down / h, 0, 0])
    maps, moved_maps, unmoved_slots = (
        module(slots, t.flatten(1, 2), (h, w), 1, g).attn_logits.unflatten(
            2, (h, w)
        )
        for t, g in ((tokens, here), (moved, there), (moved, here))
    )
    seen = maps[:, :, :-down, :-right]
    torch.testing.assert_close(moved_maps[:, :, down:, right:], seen)
    assert not torch.allclose(unmoved_slots[:, :, down:, right:], seen)


def test_shrunk_picture_and_slots_keep_their_logits(module):
    tokens = torch.randn(1, 4, 6, 20, dtype=F64)
    smaller = torch.randn(1, 8, 12, 20, dtype=F64)
    smaller[:, 2:6, 3:9] = tokens
    slots = torch.randn(1, 4, 16, dtype=F64)
    geometry = some_geometry(batch=1)
    maps = module(slots, tokens.flatten(1, 2), (4, 6), 1, geometry)
    small_maps = module(
        slots, smaller.flatten(1, 2), (8, 12), 1, geometry / 2
    ).attn_logits.unflatten(2, (8, 12))
    torch.testing.assert_close(
        small_maps[:, :, 2:6, 3:9].flatten(2), maps.attn_logits
    )


def picture(y, x, size=8):
    """Return tokens of a 3x3 object on one background."""
    colors = torch.zeros(2, 20, dtype=F64)
    colors[0, :10], colors[1, 10:] = 1, 1
    labels = torch.ones(size, size, dtype=torch.long)
    labels[y : y + 3, x : x + 3] = 0
    return colors[labels].reshape(1, size * size, 20)


def test_geometry_follows_a_moving_object():
    module = InvariantSlotAttention(20, 20, use_gru=False, mlp_dim=0).double()
    for layer in (module.to_q, module.to_k, module.to_v):
        nn.init.eye_(layer.weight)
    module.to_k.weight.data *= 10
    module.coordinate_key.weight.data *= 0.1
    slots = picture(0, 0)[:, [0, -1]]
    runs = [
        module(slots, picture(*corner), (8, 8), 3)
        for corner in ((1, 2), (4, 3))
    ]
    here, there = (run.geometry[0, 0] for run in runs)
    spread = (2 / 3) ** 0.5 / 4
    torch.testing.assert_close(
        here, torch.tensor([-0.125, -0.375, spread, spread], dtype=F64)
    )
    step = torch.tensor([1 / 4, 3 / 4, 0, 0], dtype=F64)
    torch.testing.assert_close(there - here, step)
    torch.testing.assert_close(runs[0].slots[:, 0], runs[1].slots[:, 0])
    assert module.coordinate_key.weight.any()


def test_iterations_carry_the_geometry(module, frame):
    slots, tokens = frame
    whole = module(slots, tokens, GRID, 2)
    first = module(slots, tokens, GRID, 1)
    second = module(first.slots, tokens, GRID, 1, first.geometry)
    torch.testing.assert_close(second.slots, whole.slots)
    torch.testing.assert_close(second.attn_logits, whole.attn_logits)
    torch.testing.assert_close(second.geometry, whole.geometry)
    forgetful = module(first.slots, tokens, GRID, 1)
    assert not torch.allclose(forgetful.attn_logits, whole.attn_logits)


def test_a_video_begins_with_the_frame_itself(module, frame):
    whole_frame = torch.tensor([0.0, 0, 1, 1], dtype=F64).expand(2, 4, 4)
    torch.testing.assert_close(
        module(*frame, GRID, 2).slots,
        module(*frame, GRID, 2, whole_frame).slots,
    )


def test_frames_carry_the_geometry(monkeypatch):
    corrector = dict(type='InvariantSlotAttention', slot_dim=16, token_dim=16)
    model = tiny.build(tiny.slot_model(corrector=corrector))
    given, returned = [], []
    forward = InvariantSlotAttention.forward

    def spy(self, slots, tokens, grid, num_iters, geometry=None):
        output = forward(self, slots, tokens, grid, num_iters, geometry)
        given.append(geometry)
        returned.append(output.geometry)
        return output

    monkeypatch.setattr(InvariantSlotAttention, 'forward', spy)
    model(tiny.clips(frames=3))
    assert given[0] is None
    assert given[1] is returned[0] and given[2] is returned[1]


def test_geometry_is_that_of_the_last_attention(module, frame):
    output = module(*frame, GRID, 2)
    torch.testing.assert_close(
        output.geometry, slot_geometry(output.attn_logits, GRID)
    )


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(kvq_dim=24, mlp_dim=0, normalize_state=False),
        dict(use_gru=False, eps_mode='sum', mlp_last_iter=False),
    ],
)
def test_without_coordinates_it_is_slot_attention(frame, options):
    module = InvariantSlotAttention(16, 20, **options).double()
    plain = SlotAttention(16, 20, **options).double()
    weights = module.state_dict()
    coordinates = weights.pop('coordinate_key.weight')
    plain.load_state_dict(weights)
    expected = plain(*frame, GRID, 3)
    assert not torch.allclose(module(*frame, GRID, 3).slots, expected.slots)
    coordinates.zero_()
    output = module(*frame, GRID, 3)
    for name in ('slots', 'attn_logits', 'token_attn'):
        torch.testing.assert_close(
            getattr(output, name), getattr(expected, name)
        )


def test_slots_are_permuted_with_their_start(module, frame):
    slots, tokens = frame
    geometry = some_geometry()
    order = torch.tensor([2, 0, 3, 1])
    plain = module(slots, tokens, GRID, 3, geometry)
    mixed = module(slots[:, order], tokens, GRID, 3, geometry[:, order])
    for name in ('slots', 'attn_logits', 'token_attn', 'geometry'):
        torch.testing.assert_close(
            getattr(mixed, name), getattr(plain, name)[:, order]
        )


def test_gradients_reach_coordinates_and_geometry(module, frame):
    geometry = some_geometry().requires_grad_()
    module(*frame, GRID, 2, geometry).slots.square().sum().backward()
    assert geometry.grad.all()
    assert module.coordinate_key.weight.grad.all()
