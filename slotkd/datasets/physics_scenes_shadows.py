"""Shadows of physics scenes: what lights see, on a grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from scipy import ndimage

from slotkd.datasets.physics_scenes_camera import Camera, project
from slotkd.datasets.physics_scenes_vectors import Points, dot
from slotkd.datasets.physics_scenes_world import PhysicsWorld

_DISTANCE, _REACH = 40.0, 9.0
_BIAS = 0.12


@dataclass(frozen=True, eq=False)
class ShadowMap:
    """The bodies as a far light sees them.

    Args:
        camera: In the light's place.
        depth: Distance of the first body along the light's axis, infinite
            where there is none.
        cover: Share of the light that bodies take, with soft edges.
    """

    camera: Camera
    depth: Float[np.ndarray, 'n n']
    cover: Float[np.ndarray, 'n n']


def light_camera(direction: Float[np.ndarray, '3'], samples: int) -> Camera:
    """Return a far camera that sees everything within 9 m of the centre.

    Args:
        direction: Towards the light, a unit vector.
        samples: Side of its grid.
    """
    angle = 2 * np.arctan(_REACH / _DISTANCE)
    return Camera(_DISTANCE * direction, np.zeros(3), float(angle), samples)


def draw_shadow_map(
    world: PhysicsWorld, camera: Camera, softness: float
) -> ShadowMap:
    """Return what a light sees of the bodies as they are.

    Args:
        world: The bodies.
        camera: Of :func:`light_camera`.
        softness: Deviation of the blurred edges in metres.
    """
    _, depth = world.rasterize(camera, camera.size)
    sigma = softness * camera.size / (2 * _REACH)
    covered = np.isfinite(depth).astype(np.float32)
    cover = ndimage.gaussian_filter(covered, sigma, truncate=2.5)
    return ShadowMap(camera, depth.astype(np.float32), cover)


def floor_shadow(
    shadows: ShadowMap, points: Points
) -> Float[np.ndarray, ' S']:
    """Return the share of light that bodies keep from points of the floor.

    Everything the light sees is above the floor, so no depth is compared.
    """
    columns, rows = project(shadows.camera, points) - 1
    places = np.stack([rows, columns])
    return ndimage.map_coordinates(shadows.cover, places, order=1)


def body_shadow(
    maps: Sequence[ShadowMap],
    frames: Integer[np.ndarray, ' S'],
    points: Points,
    normals: Points,
) -> Float[np.ndarray, ' S']:
    """Return the share of light that bodies keep from points of bodies.

    Args:
        maps: What one light sees in some frames.
        frames: In which of them each point is.
        points: On bodies.
        normals: Outward unit normals there; the comparison is made a little
            outside, so that a surface does not shade itself.
    """
    camera = maps[0].camera
    table = np.stack([each.depth for each in maps]).ravel()
    lifted = points + np.float32(_BIAS) * normals
    columns, rows = project(camera, lifted) - 1
    depth = _DISTANCE - dot(camera.axes[2], lifted) - _BIAS
    left, top = np.floor(columns), np.floor(rows)
    blocked = np.zeros_like(depth)
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = left + right, top + down
        weight = (1 - np.abs(columns - x)) * (1 - np.abs(rows - y))
        x, y = (np.clip(i, 0, camera.size - 1).astype(np.intp) for i in (x, y))
        place = (frames * camera.size + y) * camera.size + x
        blocked += np.where(table[place] < depth, weight, 0)
    return np.clip(blocked, 0, 1)
