import numpy as np
import pytest

from slotkd.datasets.physics_scenes_shadows import (
    body_shadow,
    draw_shadow_map,
    floor_shadow,
    light_camera,
)
from slotkd.datasets.physics_scenes_shapes import make_part
from slotkd.datasets.physics_scenes_world import PhysicsWorld

SUN = np.array([0.6, 0.0, 0.8])


@pytest.fixture(scope='module')
def shadows():
    """A cube of 1 m whose middle is 3 m high, lit from the side."""
    with PhysicsWorld() as world:
        world.add(
            (make_part('box', (0.5, 0.5, 0.5)),),
            density=1.0,
            position=(0.0, 0.0, 3.0),
            orientation=(0.0, 0.0, 0.0, 1.0),
            friction=0.5,
            restitution=0.5,
        )
        return draw_shadow_map(world, light_camera(SUN, 160), 0.11)


def test_floor_is_dark_where_the_light_would_fall(shadows):
    shade = -3 * SUN[0] / SUN[2]
    points = np.array([[shade, 0, 0], [0, 0, 0], [shade, 2, 0], [90, 0, 0.0]])
    expected = [1, 0, 0, 0]
    np.testing.assert_allclose(
        floor_shadow(shadows, points.T), expected, atol=0.02
    )


def test_edge_of_a_shadow_is_soft(shadows):
    shade = -3 * SUN[0] / SUN[2]
    across = np.linspace(-1, 1, 81)
    points = np.stack([0 * across + shade, across, 0 * across])
    values = floor_shadow(shadows, points)
    half = np.abs(np.abs(across[values > 0.5]).max() - 0.5)
    assert half < 0.12
    assert 3 <= ((values > 0.1) & (values < 0.9)).sum() <= 30


def test_bodies_shade_others_and_not_themselves(shadows):
    up, down = np.array([0, 0, 1.0]), np.array([0, 0, -1.0])
    points = np.stack([(0, 0, 3.5), (0, 0, 2.5), -2 * SUN + (0, 0, 3)])
    normals = np.stack([up, down, up])
    frames = np.zeros(3, np.intp)
    shade = body_shadow([shadows], frames, points.T, normals.T)
    np.testing.assert_allclose(shade, [0, 1, 1], atol=1e-6)
    above = (points + 6 * SUN).T
    np.testing.assert_allclose(
        body_shadow([shadows], frames, above, normals.T), 0, atol=1e-6
    )


def test_each_frame_has_its_own_map(shadows):
    with PhysicsWorld() as world:
        empty = draw_shadow_map(world, light_camera(SUN, 160), 0.11)
    points = np.tile((-2 * SUN + (0, 0, 3))[:, None], (1, 4))
    normals = np.tile([[0.0], [0], [1]], (1, 4))
    frames = np.array([0, 1, 1, 0])
    shade = body_shadow([shadows, empty], frames, points, normals)
    np.testing.assert_allclose(shade, [1, 0, 0, 1], atol=1e-6)
