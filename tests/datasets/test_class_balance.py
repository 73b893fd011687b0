"""Shares of pasted classes: golden values, caps, limits."""

import numpy as np
import pytest

from slotkd.datasets.class_balance import (
    inverse_power,
    limit_shares,
    paste_rates,
    water_fill,
)

FOUR = (100, 30, 10, 3)
TEN = (4000, 1500, 700, 300, 120, 60, 30, 15, 8, 5)


def shares_and_target(counts, beta=0.5):
    p, t = np.array(counts, float), np.array(counts, float) ** beta
    return p / p.sum(), t / t.sum()


def entropy(shares):
    positive = shares[shares > 0]
    return -(positive * np.log(positive)).sum() / np.log(len(shares))


# counts, rho, a, q, entropies before, after and of the target, most pasted
# tracks of the rarest class for each original one.
GOLDEN = [
    (
        FOUR,
        0.5,
        1.5,
        {0: 0.0740, 1: 0.3870, 2: 0.3258, 3: 0.2131},
        (0.6094, 0.8665, 0.8665),
        5.08,
    ),
    (
        FOUR,
        1,
        2.0,
        {0: 0.2825, 1: 0.3279, 2: 0.2405, 3: 0.1491},
        (0.6094, 0.8665, 0.8665),
        7.11,
    ),
    (TEN, 0.5, 1.4021, {0: 0, 9: 0.0336}, (0.5136, 0.7686, 0.7925), 22.6),
    (TEN, 1, 2.0, {0: 0.1135, 9: 0.0243}, (0.5136, 0.7925, 0.7925), 32.7),
]


@pytest.mark.parametrize(
    ('counts', 'rho', 'level', 'q', 'entropies', 'oversampling'), GOLDEN
)
def test_golden_values(counts, rho, level, q, entropies, oversampling):
    p, t = shares_and_target(counts)
    shares, a = water_fill(p, t, rho)
    assert a == pytest.approx(level, abs=1e-4)
    for label, value in q.items():
        assert shares[label] == pytest.approx(value, abs=1e-4)
    assert shares.sum() == pytest.approx(1, abs=1e-6)
    mixture = (p + rho * shares) / (1 + rho)
    found = [entropy(s) for s in (p, mixture, t)]
    np.testing.assert_allclose(found, entropies, atol=1e-4)
    assert rho * shares[-1] / p[-1] == pytest.approx(oversampling, rel=3e-3)


def test_the_mixture_is_the_target_where_it_can_be():
    p, t = shares_and_target(FOUR)
    shares, _ = water_fill(p, t, 1)
    np.testing.assert_allclose((p + shares) / 2, t, atol=1e-12)


def test_the_head_gets_exactly_nothing_where_the_target_is_out_of_reach():
    p, t = shares_and_target(TEN)
    shares, a = water_fill(p, t, 0.5)
    assert shares[0] == 0
    lifted = shares > 0
    levels = (p + 0.5 * shares)[lifted] / t[lifted]
    np.testing.assert_allclose(levels, a)


def test_beta_one_keeps_and_zero_evens():
    p, t = shares_and_target(FOUR, beta=1)
    np.testing.assert_allclose(water_fill(p, t, 0.7)[0], p)
    equal = paste_rates(FOUR, 3, beta=0, max_oversample=1e9).shares
    np.testing.assert_allclose(p + 3 * equal, np.ones(4))


def test_cap_frees_mass_for_the_others():
    rates = paste_rates(TEN, 0.5)
    p, t = shares_and_target(TEN)
    before = water_fill(p, t, 0.5)[0]
    ratios = 0.5 * rates.shares / p
    assert ratios.max() <= 20 + 1e-9
    assert rates.shares.sum() == pytest.approx(1, abs=1e-9)
    assert rates.kept == pytest.approx(1)
    assert rates.shares[9] < before[9]
    free = (ratios < 20 - 1e-6) & (before > 0)
    gains = rates.shares[free] / before[free]
    np.testing.assert_allclose(gains, gains[0])
    assert gains[0] > 1


def test_the_rate_falls_where_all_are_capped():
    rates = paste_rates(FOUR, 2, max_oversample=0.5)
    assert rates.kept == pytest.approx(0.25)
    p, _ = shares_and_target(FOUR)
    np.testing.assert_allclose(2 * rates.kept * rates.shares / p, 0.5)


def test_limit_shares_repeats_until_none_is_above():
    result = limit_shares(np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.5, 0.9]))
    np.testing.assert_allclose(result, [0.2, 0.5, 0.3])


def test_inverse_power_draws_minor_classes():
    shares = inverse_power(np.array(FOUR, float), 0.5)
    weights = np.array([0, 0, (100 / 10) ** 0.5, (100 / 3) ** 0.5])
    np.testing.assert_allclose(shares, weights / weights.sum())
    rates = paste_rates(FOUR, 0.5, rule='inverse_power')
    np.testing.assert_allclose(rates.shares, shares)


@pytest.mark.parametrize('rule', ['water_fill', 'inverse_power'])
def test_a_class_without_tracks_is_never_pasted(rule):
    rates = paste_rates((100, 0, 10, 0, 3), 0.5, rule=rule)
    assert rates.shares[1] == rates.shares[3] == 0
    assert rates.shares.sum() == pytest.approx(1)


def test_a_class_without_tracks_has_no_share_of_equal_ones():
    shares = paste_rates((100, 10, 0), 1, beta=0).shares
    np.testing.assert_allclose(shares, [1 / 11, 10 / 11, 0])


def test_one_class_alone():
    assert paste_rates((7,), 0.5).shares.tolist() == [1]


def test_refuses_what_is_out_of_range():
    with pytest.raises(ValueError, match='need a track of some class'):
        paste_rates((0, 0), 0.5)
    with pytest.raises(ValueError, match='beta in .* got 0.5, 2 and 20'):
        paste_rates(FOUR, 0.5, beta=2)
    with pytest.raises(ValueError, match="rule='fair' is not one of"):
        paste_rates(FOUR, 0.5, rule='fair')
