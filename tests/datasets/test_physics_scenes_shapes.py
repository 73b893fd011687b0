import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from slotkd.datasets.physics_scenes_shapes import (
    KINDS,
    centred,
    convex_mesh,
    make_hull,
    make_part,
    part_surface,
    solid_mesh,
    solid_normals,
    solid_radius,
    solid_volume,
)

HALF = (0.5, 0.4, 0.7)


def part(kind):
    rng = np.random.default_rng(0)
    if kind == 'hull':
        return make_hull(rng.normal(size=(14, 3)) + 1)
    turn = Rotation.random(random_state=3).as_matrix()
    half = (0.5, 0.5, 0.7) if kind in ('cylinder', 'cone') else HALF
    return make_part(kind, half, (1, 2, 3), rotation=turn)


def on_mesh(mesh):
    """Return points inside the triangles of a mesh, and their normals."""
    rng = np.random.default_rng(1)
    corners = mesh.corners[mesh.faces]
    weights = rng.dirichlet([1, 1, 1], len(corners))
    points = np.einsum('fi,fij->fj', weights, corners)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2])
    across -= np.cross(corners[:, 1] - corners[:, 0], corners[:, 0])
    normals = across / np.linalg.norm(across, axis=1, keepdims=True)
    return points.T, normals.T


@pytest.mark.parametrize('kind', KINDS)
def test_surface_is_where_the_mesh_is(kind):
    one = part(kind)
    points, flat = on_mesh(one.mesh)
    gap, normals = part_surface(one, points)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=0), 1)
    # A ball bulges out of its mesh; all else is flat or a polygon.
    assert np.abs(gap).max() < (0.02 if kind == 'ellipsoid' else 1e-9)
    smooth = kind in ('ellipsoid', 'cylinder', 'cone')
    assert (normals * flat).sum(axis=0).min() > (0.94 if smooth else 1 - 1e-9)
    middle = one.mesh.corners.mean(axis=0)[:, None]
    assert part_surface(one, middle)[0] < 0
    assert part_surface(one, middle + 5)[0] > 0


@pytest.mark.parametrize('kind', KINDS)
def test_mesh_is_closed_and_faces_outward(kind):
    mesh = part(kind).mesh
    edges = np.sort(
        np.concatenate([mesh.faces[:, [i, (i + 1) % 3]] for i in range(3)]),
        axis=1,
    )
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert np.all(counts == 2)
    points, normals = on_mesh(mesh)
    outward = points - mesh.corners.mean(axis=0)[:, None]
    assert (outward * normals).sum(axis=0).min() > 0


def test_moments_of_a_box_are_exact():
    mesh = make_part('box', HALF, (1, 2, 3)).mesh
    volume, middle = mesh.moments()
    assert volume == pytest.approx(8 * 0.5 * 0.4 * 0.7)
    np.testing.assert_allclose(middle, (1, 2, 3))


def test_round_meshes_have_nearly_the_volume_of_the_solid():
    ball = make_part('ellipsoid', HALF).mesh.moments()[0]
    assert ball == pytest.approx(4 / 3 * np.pi * 0.5 * 0.4 * 0.7, rel=0.06)
    tube = make_part('cylinder', (0.5, 0.5, 0.7)).mesh.moments()[0]
    assert tube == pytest.approx(np.pi * 0.25 * 1.4, rel=0.02)


def test_centred_solid_has_its_mass_at_the_origin_and_the_size():
    solid = centred((part('box'), part('cylinder'), part('hull')), 2.5)
    corners = solid_mesh(solid).corners
    assert np.ptp(corners, axis=0).max() == pytest.approx(2.5)
    moments = [p.mesh.moments() for p in solid]
    middle = np.average(
        [m for _, m in moments], axis=0, weights=[v for v, _ in moments]
    )
    np.testing.assert_allclose(middle, 0, atol=1e-12)
    assert solid_volume(solid) == pytest.approx(sum(v for v, _ in moments))
    assert solid_radius(solid) == np.linalg.norm(corners, axis=1).max()
    for one in solid:
        points, _ = on_mesh(one.mesh)
        np.testing.assert_allclose(part_surface(one, points)[0], 0, atol=1e-9)


def test_normal_of_several_parts_is_that_of_the_nearest():
    solid = (make_part('box', (1, 1, 1)), make_part('box', (3, 0.2, 0.2)))
    points = np.array([[0.3, 1, 0.4], [2, 0.2, 0.1], [3, 0, 0]]).T
    expected = np.array([[0, 1, 0], [0, 1, 0], [1, 0, 0]]).T
    np.testing.assert_array_equal(solid_normals(solid, points), expected)


def test_mesh_of_a_solid_joins_the_parts():
    solid = (part('box'), part('cone'))
    mesh = solid_mesh(solid)
    assert len(mesh.faces) == sum(len(p.mesh.faces) for p in solid)
    np.testing.assert_array_equal(
        mesh.corners[mesh.faces[12:]],
        solid[1].mesh.corners[solid[1].mesh.faces],
    )
    assert mesh.moments()[0] == pytest.approx(solid_volume(solid))


def test_hull_drops_no_corner():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    mesh = convex_mesh(points)
    assert mesh.moments()[0] == pytest.approx(1 / 6)
