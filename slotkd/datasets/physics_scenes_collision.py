"""Solids of physics scenes as PyBullet's collision shapes."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from slotkd.datasets.physics_scenes_shapes import Part, Solid


def import_pybullet() -> ModuleType:
    """Return PyBullet.

    Raises:
        ImportError: If it is not installed; says how to install it.
    """
    try:
        import pybullet
    except ImportError as error:
        raise ImportError(
            'physics scenes need PyBullet: pip install "slotkd[scenes]", or '
            'pip install "pybullet>=3.2.7"'
        ) from error
    return pybullet


@dataclass(frozen=True)
class CollisionShape:
    """A function of PyBullet that makes a shape, and what it is given."""

    function: str
    options: dict[str, Any]


def collision_shape(bullet: ModuleType, solid: Solid) -> CollisionShape:
    """Return how to make the shape of a solid.

    Boxes, round cylinders and spheres are PyBullet's own: they roll
    smoothly and are tested fast. One part of another kind is the hull of
    its mesh.

    Args:
        bullet: PyBullet.
        solid: The solid; a single part is centred and not rotated.

    Raises:
        ValueError: If one of several parts has no primitive, of which alone
            PyBullet joins shapes.
    """
    primitives = [primitive(bullet, part) for part in solid]
    if primitives == [None]:
        corners = solid[0].mesh.corners.tolist()
        return CollisionShape(
            'createCollisionShape',
            dict(shapeType=bullet.GEOM_MESH, vertices=corners),
        )
    if None in primitives:
        part = solid[primitives.index(None)]
        raise ValueError(
            'a solid of several parts holds boxes, round cylinders and '
            f'spheres, got {part.kind} of half extents {part.half.tolist()}'
        )
    radii = [float(part.half[0]) for part in solid]
    heights = [2 * float(part.half[2]) for part in solid]
    halves = [part.half.tolist() for part in solid]
    if len(solid) == 1:
        return CollisionShape(
            'createCollisionShape',
            dict(
                shapeType=primitives[0],
                radius=radii[0],
                height=heights[0],
                halfExtents=halves[0],
            ),
        )
    turns = Rotation.from_matrix([part.rotation for part in solid])
    return CollisionShape(
        'createCollisionShapeArray',
        dict(
            shapeTypes=primitives,
            radii=radii,
            lengths=heights,
            halfExtents=halves,
            collisionFramePositions=[part.offset.tolist() for part in solid],
            collisionFrameOrientations=turns.as_quat().tolist(),
        ),
    )


def primitive(bullet: ModuleType, part: Part) -> int | None:
    """Return PyBullet's primitive for a part, None if there is none."""
    if part.kind == 'box':
        return bullet.GEOM_BOX
    if part.kind == 'cylinder' and np.allclose(*part.half[:2]):
        return bullet.GEOM_CYLINDER
    if part.kind == 'ellipsoid' and np.allclose(part.half, part.half[0]):
        return bullet.GEOM_SPHERE
    return None
