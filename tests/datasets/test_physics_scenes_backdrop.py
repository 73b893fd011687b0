import numpy as np
import pytest

from slotkd.datasets.physics_scenes_backdrop import (
    DOME_RADIUS,
    FLOORS,
    dome_radiance,
    draw_backdrop,
    floor_albedo,
    hit_backdrop,
    on_dome,
    plain_backdrop,
)


@pytest.fixture(scope='module')
def backdrops():
    return [draw_backdrop(np.random.default_rng(seed)) for seed in range(8)]


def test_rays_end_on_the_floor_or_on_the_dome():
    rays = np.random.default_rng(0).normal(size=(3, 500))
    rays = rays / np.linalg.norm(rays, axis=0)
    origin = np.array([3.0, -5, 4])
    distance, on_floor = hit_backdrop(origin, rays)
    ends = origin[:, None] + rays * distance
    radius = np.linalg.norm(ends, axis=0)
    assert 100 < on_floor.sum() < 400
    np.testing.assert_allclose(ends[2, on_floor], 0, atol=1e-9)
    assert radius[on_floor].max() <= DOME_RADIUS
    np.testing.assert_allclose(radius[~on_floor], DOME_RADIUS)
    assert ends[2, ~on_floor].min() > 0
    np.testing.assert_allclose(
        np.linalg.norm(on_dome(ends[:, ~on_floor]), axis=0), 1, rtol=1e-6
    )


def test_colours_are_shares_of_light(backdrops):
    for backdrop in [*backdrops, plain_backdrop()]:
        for image in (backdrop.floor, backdrop.dome):
            assert image.dtype == np.float32
            assert image.min() >= 0 and image.max() <= 1
    assert np.ptp([b.floor.mean() for b in backdrops]) > 0.05
    assert len(FLOORS) == 4


def test_drawn_floors_have_texture_and_fine_ones_average_out(backdrops):
    points = np.random.default_rng(0).uniform(-8, 8, (3, 500))
    for backdrop in backdrops:
        near = floor_albedo(backdrop, points, np.full(500, 0.01))
        far = floor_albedo(backdrop, points, np.full(500, 5.0))
        assert near.std(axis=1).max() > far.std(axis=1).max() > 0
        np.testing.assert_allclose(
            near.mean(axis=1), far.mean(axis=1), rtol=0.25
        )


def test_floor_and_dome_have_no_seam(backdrops):
    gap = 1e-6
    edge = np.array([[-gap, 16 - gap, 0, 0], [3, 3, -gap, 3], [0, 0, 0, 0]])
    there = edge + np.array([[2 * gap], [2 * gap], [0]])
    for backdrop in backdrops:
        size = np.full(4, 0.01)
        np.testing.assert_allclose(
            floor_albedo(backdrop, edge, size),
            floor_albedo(backdrop, there, size),
            atol=1e-4,
        )
        behind = np.array([[-1, -1], [gap, -gap], [0.4, 0.4]])
        here, beyond = dome_radiance(backdrop, behind, 0.0).T
        np.testing.assert_allclose(here, beyond, atol=1e-4)


def test_dome_is_defined_for_every_direction(backdrops):
    rays = np.random.default_rng(0).normal(size=(3, 500)).astype(np.float32)
    rays = rays / np.linalg.norm(rays, axis=0)
    light = dome_radiance(backdrops[0], rays, 0.0)
    assert light.dtype == np.float32 and np.all(np.isfinite(light))
    down = rays[2] < 0
    level = rays.copy()
    level[2, down] = 0
    np.testing.assert_allclose(
        light, dome_radiance(backdrops[0], level, 0.0), atol=1e-6
    )


def test_plain_backdrop_is_grey_and_brightest_at_the_horizon():
    backdrop = plain_backdrop()
    assert np.ptp(backdrop.floor) == 0
    assert np.ptp(backdrop.dome, axis=-1).max() == 0
    assert backdrop.dome[0, 0, 0, 0] > backdrop.dome[0, 20, 0, 0]
