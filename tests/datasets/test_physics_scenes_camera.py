import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from slotkd.datasets.physics_scenes_camera import (
    Camera,
    carried,
    pixel_rays,
    project,
    projection_matrix,
    rigid_steps,
    view_matrix,
)


def camera(position=(7.0, -6.0, 5.0), size=64):
    return Camera(np.array(position), np.zeros(3), 0.86, size)


@pytest.mark.parametrize('position', [(7.0, -6.0, 5.0), (0.0, 0.0, 9.0)])
def test_rays_lead_back_to_their_pixels(position):
    eye = camera(position)
    places = np.random.default_rng(0).uniform(0, 64, (2, 50))
    rays = pixel_rays(eye, places)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=0), 1)
    points = np.array(position)[:, None] + 3 * rays
    np.testing.assert_allclose(project(eye, points), places)


def test_image_shows_the_target_in_the_middle_and_up_above():
    eye = camera()
    places = project(eye, np.array([[0, 0, 0], [0, 0, 1], [1, 1, 0.0]]).T)
    np.testing.assert_allclose(places[:, 0], 32)
    assert places[0, 1] == pytest.approx(32) and places[1, 1] < 32
    assert places[0, 2] > 32  # x + y is to the right of this camera


def test_field_of_view_spans_the_image():
    eye = camera((0.0, -5.0, 0.0))
    edge = 5 * np.tan(0.43)
    assert project(eye, np.array([[edge], [0], [0.0]]))[0] == pytest.approx(64)


def test_points_behind_the_camera_stay_finite():
    places = project(camera(), 10 * np.array([[7.0], [-6], [5]]))
    assert np.all(np.isfinite(places))


def test_rigid_steps_carry_points_of_each_body():
    turns = Rotation.random(6, random_state=0).as_matrix().reshape(3, 2, 3, 3)
    places = np.random.default_rng(0).normal(size=(3, 2, 3))
    steps = rigid_steps(turns, places)
    local = np.random.default_rng(1).normal(size=(3, 5))
    labels = np.array([1, 2, 2, 1, 0])
    body = labels - 1

    def world(frame):
        moved = np.einsum('sij,js->is', turns[frame, body], local)
        return moved + places[frame, body].T

    moved = carried(world(1), labels, steps[1])
    np.testing.assert_allclose(moved[:, :4], world(2)[:, :4], atol=1e-12)
    np.testing.assert_array_equal(moved[:, 4], world(1)[:, 4])


def test_matrices_sample_where_they_say():
    eye, samples = camera(), 128
    view = np.reshape(view_matrix(eye), (4, 4)).T
    lens = np.reshape(projection_matrix(eye, samples, 0.2, 100), (4, 4)).T
    row, column = 30, 101
    place = np.array([[column + 1], [row + 1]]) * 64 / samples
    point = eye.position + 4 * pixel_rays(eye, place)[:, 0]
    clip = lens @ view @ [*point, 1]
    x, y = (clip[:2] / clip[3] + 1) * samples / 2
    assert x == pytest.approx(column)
    assert samples - 1 - y == pytest.approx(row)
