import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from slotkd.datasets.physics_scenes_camera import Camera, pixel_rays
from slotkd.datasets.physics_scenes_shapes import make_part, solid_normals
from slotkd.datasets.physics_scenes_world import (
    FRAME_RATE,
    GRAVITY,
    PhysicsWorld,
)

BALL = (make_part('ellipsoid', (0.5, 0.5, 0.5)),)
CUBE = (make_part('box', (0.5, 0.5, 0.5)),)
STRAIGHT = (0.0, 0.0, 0.0, 1.0)


@pytest.fixture
def world():
    with PhysicsWorld() as made:
        yield made


def add(world, solid, position, orientation=STRAIGHT, **options):
    rubber = dict(density=1.0, friction=0.8, restitution=0.5)
    world.add(
        solid,
        position=position,
        orientation=orientation,
        **(rubber | options),
    )


def camera(size=64):
    return Camera(np.array([6.0, -5, 4]), np.zeros(3), 0.86, size)


def test_bodies_fall_as_physics_says(world):
    add(world, BALL, (0.0, 0.0, 30.0))
    world.throw(0, (3.0, -1.0, 0.0))
    turns, places = world.run(12)
    assert turns.shape == (13, 1, 3, 3) and places.shape == (13, 1, 3)
    time = np.arange(13) / FRAME_RATE
    fall = 30 - GRAVITY * time**2 / 2
    np.testing.assert_allclose(places[:, 0, 2], fall, atol=0.5)
    assert places[-1, 0, 2] < places[0, 0, 2]
    np.testing.assert_allclose(places[:, 0, 0], 3 * time, atol=0.15)
    np.testing.assert_allclose(places[:, 0, 1], -time, atol=0.05)


def test_bodies_stay_above_the_floor(world):
    add(world, CUBE, (0.0, 0.0, 2.0), Rotation.random(None, 1).as_quat())
    _, places = world.run(24)
    assert places[:, 0, 2].min() > 0.4
    assert places[-1, 0, 2] < 0.9


def test_settled_bodies_do_not_move_until_they_are_hit(world):
    add(world, CUBE, (0.0, 0.0, 1.5), Rotation.random(None, 2).as_quat())
    add(world, CUBE, (4.0, 0.0, 1.5))
    world.settle(48)
    add(world, BALL, (-2.0, 0.0, 1.0), density=5.0)
    world.throw(2, (8.0, 0.0, 0.0))
    _, places = world.run(6)
    step = np.abs(np.diff(places, axis=0)).max(axis=(0, 2))
    assert step[0] > 0.1 and step[1] == 0


def test_a_body_whose_place_is_taken_starts_higher(world):
    add(world, CUBE, (0.0, 0.0, 0.6))
    add(world, CUBE, (0.2, 0.1, 0.7))
    add(world, CUBE, (3.0, 0.0, 0.2))
    _, places = world.run(0)
    np.testing.assert_array_equal(places[0, 0], (0, 0, 0.6))
    assert 1.6 <= places[0, 1, 2] <= 1.95
    assert 0.5 < places[0, 2, 2] <= 0.75
    np.testing.assert_array_equal(places[0, 1, :2], (0.2, 0.1))


def test_what_is_seen_is_where_the_surface_is(world):
    turn = Rotation.random(None, 5)
    add(world, CUBE, (0.0, 1.0, 2.0), turn.as_quat())
    eye, samples = camera(), 128
    labels, depth = world.rasterize(eye, samples)
    assert set(np.unique(labels)) == {0, 1}
    assert np.all(np.isinf(depth[labels == 0]))
    rows, columns = np.nonzero(labels)
    assert len(rows) > 400
    rays = pixel_rays(eye, np.stack([columns + 1, rows + 1]) * 64 / samples)
    points = eye.position[:, None] + rays * depth[rows, columns] / -(
        eye.axes[2] @ rays
    )
    local = turn.as_matrix().T @ (points - np.array([[0], [1], [2]]))
    np.testing.assert_allclose(np.abs(local).max(axis=0), 0.5, atol=1e-4)
    normals = turn.as_matrix() @ solid_normals(CUBE, local)
    assert (normals * rays).sum(axis=0).max() < 0


def test_nearer_bodies_hide_farther_ones(world):
    toward = np.array([6.0, -5, 4]) / np.linalg.norm([6, -5, 4])
    for distance in (3.0, 5.0):
        add(world, BALL, distance * toward + (0, 0, 0.6))
    add(world, CUBE, (0.0, 0.0, 0.6))
    labels, depth = world.rasterize(camera(), 64)
    alone = []
    for index in range(3):
        _, places = world.run(0)
        apart = places[0].copy()
        apart[np.arange(3) != index] += (0, 0, 500)
        world.pose(np.tile(np.eye(3), (3, 1, 1)), apart)
        alone.append(world.rasterize(camera(), 64)[1])
        world.pose(np.tile(np.eye(3), (3, 1, 1)), places[0])
    nearest = np.argmin(alone, axis=0) + 1
    seen = np.isfinite(np.min(alone, axis=0))
    np.testing.assert_array_equal(labels, np.where(seen, nearest, 0))
    np.testing.assert_array_equal(depth, np.min(alone, axis=0))


def test_worlds_do_not_influence_each_other():
    def path(crowd):
        with PhysicsWorld() as other:
            for index in range(crowd):
                add(other, BALL, (index, 0.0, 3.0))
            other.run(3)
            with PhysicsWorld() as world:
                add(world, CUBE, (0.0, 0.0, 3.0))
                add(world, BALL, (0.3, 0.2, 4.5))
                return world.run(12)

    for first, second in zip(path(0), path(4), strict=True):
        np.testing.assert_array_equal(first, second)
