import numpy as np
import pytest

from slotkd.datasets.physics_scenes import LEVELS, draw_scene
from slotkd.datasets.physics_scenes_camera import Camera
from slotkd.datasets.physics_scenes_shading import (
    BodySamples,
    make_lighting,
    sample_ground,
    shade_bodies,
    shade_ground,
    to_srgb,
)
from slotkd.datasets.physics_scenes_shadows import (
    draw_shadow_map,
    light_camera,
)
from slotkd.datasets.physics_scenes_world import PhysicsWorld


@pytest.fixture(scope='module')
def scene():
    return draw_scene(np.random.default_rng(3), LEVELS['c'])


@pytest.fixture(scope='module')
def empty():
    with PhysicsWorld() as world:
        return draw_shadow_map(world, light_camera(np.eye(3)[2], 64), 0.1)


def samples(count=60):
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.5, 0.5, (3, count)).astype(np.float32)
    labels = rng.integers(1, 4, count).astype(np.uint8)
    return BodySamples(labels, rng.integers(0, 2, count), points)


def shade(scene, samples, empty):
    count = len(scene.objects)
    return shade_bodies(
        make_lighting(scene),
        scene.objects,
        samples,
        np.tile(np.eye(3), (2, count, 1, 1)),
        np.zeros((2, count, 3)),
        eyes=np.array([[7.0, 0, 5], [0, 7, 5]]),
        suns=[empty, empty],
    )


def test_shading_does_not_depend_on_the_order_of_samples(scene, empty):
    given = samples()
    light = shade(scene, given, empty)
    assert light.shape == (3, 60) and np.all(light > 0)
    order = np.random.default_rng(1).permutation(60)
    mixed = BodySamples(
        given.labels[order], given.frames[order], given.points[:, order]
    )
    np.testing.assert_allclose(
        shade(scene, mixed, empty), light[:, order], rtol=1e-5
    )


def test_no_samples_are_no_light(scene, empty):
    none = BodySamples(
        np.zeros(0, np.uint8), np.zeros(0, np.intp), np.zeros((3, 0), 'f4')
    )
    assert shade(scene, none, empty).shape == (3, 0)


def test_bodies_are_brighter_towards_the_sun(empty):
    scene = draw_scene(np.random.default_rng(0), LEVELS['a'])
    index = next(
        k for k, i in enumerate(scene.objects) if i.solid[0].kind != 'box'
    )
    reach = scene.objects[index].solid[0].half[0] * scene.sun
    points = np.stack([reach, -reach], axis=1).astype(np.float32)
    labels = np.full(2, index + 1, np.uint8)
    sides = BodySamples(labels, np.zeros(2, np.intp), points)
    lit, dark = shade(scene, sides, empty).T
    assert lit.sum() > 1.5 * dark.sum() > 0


@pytest.mark.parametrize('level', LEVELS)
def test_ground_is_lit_and_finite_everywhere(level, empty):
    scene = draw_scene(np.random.default_rng(0), LEVELS[level])
    eye = Camera(scene.camera_path[0], np.zeros(3), 0.86, 32)
    steps = np.arange(1, 65, dtype=np.float32) / 2
    places = np.stack(np.meshgrid(steps, steps)).reshape(2, -1)
    ground = sample_ground(make_lighting(scene), eye, places)
    light = shade_ground(ground, empty, empty)
    assert light.dtype == np.float32
    assert light.min() > 0 and light.max() < 2
    assert 0.02 < light.mean() < 0.9
    distance = np.linalg.norm(ground.points - eye.position[:, None], axis=0)
    np.testing.assert_allclose(ground.distance, distance, rtol=1e-5)
    some = np.array([5, 900])
    np.testing.assert_array_equal(
        ground.take(some).sunlit[:, 1], ground.sunlit[:, 900]
    )


def test_srgb_spans_the_byte():
    light = np.array([[-1, 0, 1, 7], [0.5] * 4, [0.2] * 4], np.float32)
    values = to_srgb(light)
    np.testing.assert_array_equal(values[0], [0, 0, 255, 255])
    np.testing.assert_array_equal(values[1], 186)
    ramp = np.linspace(0, 1, 999, dtype=np.float32)
    exact = 255 * ramp ** (1 / 2.2)
    values = to_srgb(np.tile(ramp, (3, 1)))
    np.testing.assert_allclose(values[2], exact, atol=0.54)
