import numpy as np
import pytest

from slotkd.datasets.physics_scenes_camera import (
    Camera,
    pixel_rays,
    rigid_steps,
)
from slotkd.datasets.physics_scenes_frame import (
    Frame,
    develop,
    frame_flow,
    mixed_pixels,
    wanted_samples,
)


@pytest.fixture
def labels():
    grown = np.random.default_rng(0).integers(0, 3, (4, 4))
    return np.kron(grown, np.ones((4, 4), np.int64))


def around(array, row, column):
    rows, columns = (
        slice(max(row - 1, 0), row + 2),
        slice(max(column - 1, 0), column + 2),
    )
    return array[rows, columns]


def test_mixed_pixels_see_several_labels(labels):
    mixed = mixed_pixels(labels)
    assert mixed.shape == (8, 8) and 0 < mixed.sum() < 64
    for row in range(8):
        for column in range(8):
            near = around(labels, 2 * row, 2 * column)
            assert mixed[row, column] == (len(np.unique(near)) > 1)


def test_wanted_samples_are_centres_and_the_rims_of_mixed_pixels(labels):
    mixed = mixed_pixels(labels)
    wanted = wanted_samples(mixed)
    expected = np.zeros((16, 16), bool)
    expected[::2, ::2] = True
    for row, column in np.argwhere(mixed):
        around(expected, 2 * row, 2 * column)[:] = True
    np.testing.assert_array_equal(wanted, expected)


def test_pixels_are_centres_or_tents():
    light = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    plain = develop(light, np.zeros((4, 4), bool))
    exact = 255 * light[:, ::2, ::2] ** (1 / 2.2)
    np.testing.assert_allclose(np.moveaxis(plain, -1, 0), exact, atol=0.54)
    mixed = np.zeros((4, 4), bool)
    mixed[1, 2] = True
    soft = develop(light, mixed)
    tent = np.outer([1, 2, 1], [1, 2, 1]) / 16
    value = 255 * (light[:, 1:4, 3:6] * tent).sum(axis=(1, 2)) ** (1 / 2.2)
    np.testing.assert_allclose(soft[1, 2], value, atol=0.54)
    soft[1, 2] = plain[1, 2]
    np.testing.assert_array_equal(soft, plain)


def test_one_colour_stays_that_colour_at_the_rim():
    light = np.full((3, 8, 8), 0.5, np.float32)
    assert set(develop(light, np.ones((4, 4), bool)).ravel()) == {186}


def frame_of_a_wall(camera, distance):
    """A frame that sees body 1 at a distance, and nothing else."""
    size = camera.size
    places = np.indices((size, size))[::-1].reshape(2, -1) + 0.5
    points = camera.position[:, None] + distance * pixel_rays(camera, places)
    return Frame(
        image=np.zeros((size, size, 3), np.uint8),
        labels=np.ones((size, size), np.uint8),
        points=points.reshape(3, size, size).astype(np.float32),
        depth=np.full((size, size), distance, np.float32),
    )


def test_flow_of_a_still_scene_is_zero():
    camera = Camera(np.array([7.0, -6, 5]), np.zeros(3), 0.86, 16)
    still = rigid_steps(np.tile(np.eye(3), (2, 1, 1, 1)), np.zeros((2, 1, 3)))
    flow = frame_flow(frame_of_a_wall(camera, 8.0), still[0], camera)
    np.testing.assert_allclose(flow, 0, atol=1e-4)


def test_flow_has_the_direction_and_size_of_the_motion():
    camera = Camera(np.array([0.0, -8, 0]), np.zeros(3), 0.86, 16)
    places = np.array([[[0.0, 0, 0]], [[0.5, 0, 0.25]]])
    steps = rigid_steps(np.tile(np.eye(3), (2, 1, 1, 1)), places)
    flow = frame_flow(frame_of_a_wall(camera, 8.0), steps[0], camera)
    # x to the right, z up, and up is towards smaller y in the image.
    middle = flow[7:9, 7:9].mean(axis=(0, 1))
    np.testing.assert_allclose(
        middle, np.array([0.5, -0.25]) * camera.focal / 8, rtol=0.02
    )
