import numpy as np
import pytest

from slotkd.datasets.physics_scenes_patterns import (
    KINDS,
    Pattern,
    draw_pattern,
    lattice_noise,
    pattern_colors,
    plain_pattern,
    to_linear,
)


def pattern(kind, seed=0):
    rng = np.random.default_rng(seed)
    return Pattern(
        kind,
        np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1.0]]),
        8 * np.eye(3),
        rng.uniform(0, 6, 3),
        rng.uniform(-1, 1, (8, 8, 8)),
    )


@pytest.mark.parametrize('kind', KINDS)
def test_colours_mix_those_of_the_pattern(kind):
    points = np.random.default_rng(1).uniform(-1, 1, (3, 4000))
    colors = pattern_colors(pattern(kind), points.astype(np.float32))
    assert colors.shape == points.shape and colors.dtype == np.float32
    np.testing.assert_allclose(colors.sum(axis=0), 1, atol=1e-5)
    assert colors.min() >= -1e-6
    shares = (colors > 0.5).mean(axis=1)
    if kind == 'plain':
        np.testing.assert_array_equal(shares, [1, 0, 0])
    else:
        assert 0.1 < shares[0] < 0.95


@pytest.mark.parametrize('kind', KINDS)
def test_neighbours_have_nearly_the_same_colour(kind):
    points = np.random.default_rng(1).uniform(-1, 1, (3, 4000))
    there = pattern_colors(pattern(kind), points + 1e-4)
    here = pattern_colors(pattern(kind), points)
    assert np.abs(there - here).max() < 0.02


def test_plain_pattern_has_one_colour_in_linear_light():
    colors = pattern_colors(plain_pattern((255, 0, 128)), np.ones((3, 2)))
    np.testing.assert_allclose(colors[:, 0], to_linear((255, 0, 128)))
    np.testing.assert_allclose(to_linear((255, 0, 128)), (1, 0, 0.2195), 1e-3)


def test_drawn_patterns_vary_and_repeat_with_the_seed():
    patterns = [draw_pattern(np.random.default_rng(i)) for i in range(30)]
    assert {p.kind for p in patterns} == set(KINDS)
    for one in patterns:
        assert one.colors.min() >= 0 and one.colors.max() <= 1
    again = draw_pattern(np.random.default_rng(7))
    np.testing.assert_array_equal(again.axes, patterns[7].axes)


def test_noise_is_the_lattice_at_its_points_and_repeats():
    noise = np.random.default_rng(0).normal(size=(4, 4, 4))
    places = np.array([[1, 2, 3], [2, 0, 1], [3, 3, 0.0]])
    expected = noise[(1, 2, 3), (2, 0, 1), (3, 3, 0)]
    np.testing.assert_allclose(lattice_noise(noise, places), expected)
    np.testing.assert_allclose(lattice_noise(noise, places + 4), expected)
    halfway = lattice_noise(noise, np.array([[3.5], [0], [0]]))
    assert halfway == pytest.approx((noise[3, 0, 0] + noise[0, 0, 0]) / 2)
