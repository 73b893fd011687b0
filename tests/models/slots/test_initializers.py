"""The first slots: learned and shared, or drawn anew."""

import pytest
import torch

from slotkd.models.slots import GaussianInitializer, LearnedInitializer


def test_learned_slots_are_the_same_for_each_clip():
    module = LearnedInitializer(4, 16)
    slots = module(3)
    assert slots.shape == (3, 4, 16)
    for clip in slots:
        assert torch.equal(clip, module.slots[0])
    assert torch.equal(module(3), slots)


def test_learned_slots_gather_gradients_of_all_clips():
    module = LearnedInitializer(4, 16).double()
    weights = torch.randn(3, 4, 16, dtype=torch.float64)
    (module(3) * weights).sum().backward()
    torch.testing.assert_close(module.slots.grad[0], weights.sum(dim=0))


def test_learned_slots_are_scaled_by_their_width():
    slots = LearnedInitializer(400, 64).slots.detach()
    assert slots.shape == (1, 400, 64)
    assert float(slots.std()) == pytest.approx(1 / 8, rel=0.02)
    assert float(slots.mean()) == pytest.approx(0, abs=0.005)
    assert slots.unique(dim=1).shape == slots.shape


def test_drawn_slots_differ_by_call_clip_and_slot():
    module = GaussianInitializer(4, 16)
    first, second = module(3), module(3)
    rows = torch.cat([first, second]).flatten(0, 1)
    assert rows.unique(dim=0).shape == (24, 16)
    torch.manual_seed(5)
    drawn = module(2)
    torch.manual_seed(5)
    assert torch.equal(module(2), drawn)


def test_drawn_slots_follow_the_learned_gaussian():
    module = GaussianInitializer(50, 4)
    fresh = module(400).detach()
    assert float(fresh.std()) == pytest.approx(0.5, rel=0.02)
    mean = torch.tensor([1.0, -2, 0, 3])
    std = torch.tensor([0.1, 1, 2, 0.5])
    with torch.no_grad():
        module.mean.copy_(mean)
        module.log_std.copy_(std.log())
    drawn = module(400).detach().flatten(0, 1)
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.06, rtol=0)
    torch.testing.assert_close(drawn.std(0), std, atol=0, rtol=0.03)


def test_gradients_reach_mean_and_spread():
    module = GaussianInitializer(4, 8).double()
    torch.manual_seed(2)
    noise = torch.randn(3, 4, 8, dtype=torch.float64)
    torch.manual_seed(2)
    slots = module(3)
    assert slots.dtype == torch.float64
    slots.sum().backward()
    count = torch.full((8,), 12.0, dtype=torch.float64)
    torch.testing.assert_close(module.mean.grad[0, 0], count)
    torch.testing.assert_close(
        module.log_std.grad[0, 0], 8**-0.5 * noise.sum(dim=(0, 1))
    )
