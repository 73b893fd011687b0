import sys

import numpy as np
import pybullet
import pytest

from slotkd.datasets.physics_scenes_collision import (
    collision_shape,
    import_pybullet,
    primitive,
)
from slotkd.datasets.physics_scenes_shapes import make_hull, make_part


def test_primitives_are_used_where_pybullet_has_them():
    box = make_part('box', (1, 2, 3))
    assert primitive(pybullet, box) == pybullet.GEOM_BOX
    tube = make_part('cylinder', (1, 1, 3))
    assert primitive(pybullet, tube) == pybullet.GEOM_CYLINDER
    assert primitive(pybullet, make_part('cylinder', (1, 2, 3))) is None
    ball = make_part('ellipsoid', (2, 2, 2))
    assert primitive(pybullet, ball) == pybullet.GEOM_SPHERE
    assert primitive(pybullet, make_part('ellipsoid', (2, 2, 1))) is None
    assert primitive(pybullet, make_part('cone', (1, 1, 1))) is None


def test_one_part_of_another_kind_is_a_hull():
    part = make_hull(np.random.default_rng(0).normal(size=(9, 3)))
    shape = collision_shape(pybullet, (part,))
    assert shape.options['shapeType'] == pybullet.GEOM_MESH
    assert shape.options['vertices'] == part.mesh.corners.tolist()


def test_parts_that_cannot_be_joined_are_refused():
    solid = (make_part('box', (1, 1, 1)), make_part('cone', (1, 1, 2)))
    with pytest.raises(ValueError, match=r'got cone of half extents \[1.0, 1'):
        collision_shape(pybullet, solid)


def test_missing_pybullet_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pybullet', None)
    with pytest.raises(ImportError, match=r'pip install "slotkd\[scenes\]"'):
        import_pybullet()
