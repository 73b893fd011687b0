"""The published learning-rate schedule, exactly."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from slotkd.engine import (
    WarmupDecayLR,
    WarmupPolyLR,
    warmup_decay_factor,
    warmup_poly_factor,
)
from slotkd.registry import PARAM_SCHEDULERS
from tests import golden

PEAK = 4e-4


def optimizer() -> OptimWrapper:
    weights = torch.zeros(1, requires_grad=True)
    return OptimWrapper(torch.optim.Adam([weights], lr=PEAK))


def make(wrapper: OptimWrapper, **options) -> WarmupDecayLR:
    settings = dict(warmup=4, decay_end=10, by_epoch=False)
    return WarmupDecayLR(wrapper, **(settings | options))


def rates(wrapper: OptimWrapper, scheduler: WarmupDecayLR, steps: int):
    """Return the rate that each of the next optimiser steps uses."""
    used = []
    for _ in range(steps):
        used.append(wrapper.get_lr()['lr'][0])
        wrapper.step()
        scheduler.step()
    return used


@pytest.mark.parametrize(
    ('step', 'factor'),
    [
        (0, 0.0),
        (1250, 0.5),
        (2500, 1.0),
        (51250, 0.5**0.5),
        (100_000, 0.5),
        (197_500, 0.25),
    ],
)
def test_factor(step, factor):
    found = warmup_decay_factor(step, 2500, decay_end=100_000)
    assert found == pytest.approx(factor, rel=1e-15)


def test_factor_equals_the_official_one(shared):
    arrays = golden.load(shared, 'slotcontrast_tiny')
    for step, factor in zip(
        arrays['schedule_steps'], arrays['schedule_factor'], strict=True
    ):
        found = warmup_decay_factor(int(step), 2500, decay_end=100_000)
        assert found == pytest.approx(factor, rel=1e-14, abs=0)


def test_rates_equal_those_of_the_official_run(shared):
    arrays = golden.load(shared, 'slotcontrast_tiny')
    wrapper = optimizer()
    scheduler = make(wrapper, warmup=2, decay_end=6)
    expected = arrays['sched_lr'].tolist()
    assert rates(wrapper, scheduler, 5) == pytest.approx(expected, rel=1e-14)


def test_each_step_uses_its_own_factor():
    wrapper = optimizer()
    used = rates(wrapper, make(wrapper), 12)
    expected = [
        PEAK * warmup_decay_factor(step, 4, decay_end=10) for step in range(12)
    ]
    assert used == pytest.approx(expected, rel=1e-15)


def test_resume_continues_the_schedule():
    wrapper = optimizer()
    whole = rates(wrapper, make(wrapper), 9)
    first = optimizer()
    scheduler = make(first)
    head = rates(first, scheduler, 3)
    saved = copy.deepcopy((first.state_dict(), scheduler.state_dict()))
    second = optimizer()
    resumed = make(second)
    second.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    assert head + rates(second, resumed, 6) == whole


def test_groups_keep_their_own_peak():
    params = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    wrapper = OptimWrapper(
        torch.optim.Adam(
            [dict(params=[params[0]], lr=1.0), dict(params=[params[1]])],
            lr=0.5,
        )
    )
    scheduler = make(wrapper)
    wrapper.step()
    scheduler.step()
    assert wrapper.get_lr()['lr'] == [0.25, 0.125]


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        (dict(warmup=0), 'warmup 0 and decay_end 10'),
        (dict(warmup=10), 'warmup 10 and decay_end 10'),
        (dict(by_epoch=True), 'by_epoch=True'),
        (dict(end=100), 'end=100'),
    ],
)
def test_settings_that_would_freeze_or_divide_by_zero(options, told):
    with pytest.raises(ValueError, match=told):
        make(optimizer(), **options)


@pytest.mark.parametrize(
    ('name', 'iters'), [('100k', 100_000), ('300k', 300_000)]
)
def test_shipped_schedules_are_the_published_ones(repo, name, iters):
    cfg = Config.fromfile(repo / f'configs/_base_/schedules/{name}.py')
    wrapper = optimizer()
    scheduler = PARAM_SCHEDULERS.build(
        cfg.param_scheduler, default_args=dict(optimizer=wrapper)
    )
    assert (scheduler.warmup, scheduler.decay_end) == (2500, iters)
    assert scheduler.decay_rate == 0.5
    assert cfg.train_cfg.max_iters == iters
    assert cfg.optim_wrapper.clip_grad.max_norm == 0.05
    assert cfg.optim_wrapper.optimizer == dict(type='Adam', lr=4e-4)


@pytest.mark.parametrize(
    ('step', 'factor'),
    [
        (0, 0.0),
        (2500, 0.5),
        (5000, 1.0),
        (52_500, 0.1 + 0.9 * 0.5**0.9),
        (100_000, 0.1),
        (200_000, 0.1),
    ],
)
def test_poly_factor(step, factor):
    found = warmup_poly_factor(step, 5000, decay_end=100_000)
    assert found == pytest.approx(factor, rel=1e-12)


def test_poly_ends_every_group_at_the_same_share():
    weights = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    groups = [dict(params=weights[0]), dict(params=weights[1], lr=PEAK / 10)]
    wrapper = OptimWrapper(torch.optim.Adam(groups, lr=PEAK))
    scheduler = WarmupPolyLR(wrapper, warmup=4, decay_end=10, by_epoch=False)
    for step in range(14):
        factor = warmup_poly_factor(step, 4, decay_end=10)
        rate = wrapper.get_lr()['lr']
        assert rate == pytest.approx([PEAK * factor, PEAK / 10 * factor])
        wrapper.step()
        scheduler.step()


def test_poly_refuses_what_does_not_fit():
    wrapper = optimizer()
    with pytest.raises(ValueError, match='WarmupPolyLR needs 0 < warmup'):
        WarmupPolyLR(wrapper, warmup=9, decay_end=9, by_epoch=False)
    with pytest.raises(ValueError, match='WarmupPolyLR counts iterations'):
        WarmupPolyLR(wrapper, warmup=3, decay_end=9)
