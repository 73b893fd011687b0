import numpy as np
import pybullet
import pytest

from slotkd.datasets.physics_scenes_collision import collision_shape
from slotkd.datasets.physics_scenes_library import SOLIDS, draw_solid
from slotkd.datasets.physics_scenes_shapes import solid_mesh, solid_volume

each_kind = pytest.mark.parametrize('kind', SOLIDS)


@each_kind
def test_solids_have_the_size_and_vary(kind):
    rng = np.random.default_rng(0)
    solids = [draw_solid(rng, kind, 1.7) for _ in range(3)]
    for solid in solids:
        corners = solid_mesh(solid).corners
        assert np.ptp(corners, axis=0).max() == pytest.approx(1.7)
        # Flat or thin ones would not be seen, and would tunnel.
        assert np.ptp(corners, axis=0).min() > 0.15
    volumes = {round(solid_volume(solid), 9) for solid in solids}
    assert len(volumes) == (1 if kind in ('sphere', 'cube', 'can') else 3)


@each_kind
def test_every_solid_can_collide(kind):
    solid = draw_solid(np.random.default_rng(1), kind, 1.0)
    shape = collision_shape(pybullet, solid)
    client = pybullet.connect(pybullet.DIRECT)
    make = getattr(pybullet, shape.function)
    assert make(physicsClientId=client, **shape.options) >= 0
    pybullet.disconnect(client)


def test_a_solid_depends_on_the_generator_alone():
    first, again = (
        draw_solid(np.random.default_rng(5), 'rock', 1.0) for _ in range(2)
    )
    np.testing.assert_array_equal(
        solid_mesh(first).corners, solid_mesh(again).corners
    )
