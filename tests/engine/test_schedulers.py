"""The published learning-rate schedule, exactly."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from slotkd.engine import WarmupDecayLR, warmup_decay_factor
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
