"""Solids of physics scenes: convex parts as meshes and as exact surfaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import ConvexHull

from slotkd.datasets.physics_scenes_vectors import (
    Points,
    Vector,
    column,
    dots,
    turned,
    unit,
)

KINDS = ('box', 'ellipsoid', 'cylinder', 'cone', 'hull')
RINGS, SEGMENTS = 10, 20
Triple = Sequence[float | int] | Vector


@dataclass(frozen=True, eq=False)
class Mesh:
    """A closed surface of triangles, counter-clockwise from outside."""

    corners: Float[np.ndarray, 'P 3']
    faces: Int[np.ndarray, 'F 3']

    def moments(self) -> tuple[float, Vector]:
        """Return the volume inside, and its centre of mass."""
        first, second, third = self.corners[self.faces].swapaxes(0, 1)
        volumes = np.einsum('fi,fi->f', _cross(first, second), third) / 6
        total = float(volumes.sum())
        return total, volumes @ (first + second + third) / (4 * total)


@dataclass(frozen=True, eq=False)
class Part:
    """One convex part of a solid.

    Args:
        kind: Which of :data:`KINDS`; cylinder and cone stand along z, the
            cone's tip above.
        half: Half extents along the part's own axes, in metres.
        offset: Centre of the part in the frame of the solid.
        rotation: The part's axes as columns, in the frame of the solid.
        mesh: In the frame of the solid; a round part has its corners on the
            surface and lies inside it.
        planes: Outward unit normal and offset of each face of a ``'hull'``,
            along the part's own axes.
    """

    kind: str
    half: Vector
    offset: Vector
    rotation: Float[np.ndarray, '3 3']
    mesh: Mesh
    planes: Float[np.ndarray, 'F 4'] | None = None


Solid = tuple[Part, ...]


def make_part(
    kind: str,
    half: Triple,
    offset: Triple = (0, 0, 0),
    *,
    rotation: Float[np.ndarray, '3 3'] | None = None,
) -> Part:
    """Return a part that is no hull, unrotated unless told otherwise."""
    size, place = np.array(half, np.float64), np.array(offset, np.float64)
    turn = np.eye(3) if rotation is None else rotation
    base = _unit_mesh(kind)
    mesh = Mesh((base.corners * size) @ turn.T + place, base.faces)
    return Part(kind, size, place, turn, mesh)


def make_hull(points: Float[np.ndarray, 'P 3']) -> Part:
    """Return the convex hull of points as a part."""
    size = np.ptp(points, axis=0) / 2
    planes = ConvexHull(points).equations
    mesh = convex_mesh(points)
    return Part('hull', size, np.zeros(3), np.eye(3), mesh, planes)


def convex_mesh(points: Float[np.ndarray, 'P 3']) -> Mesh:
    """Return the convex hull of points, which are all its corners."""
    hull = ConvexHull(points)
    faces = hull.simplices.astype(np.int64)
    first, second, third = points[faces].swapaxes(0, 1)
    across = _cross(second - first, third - first)
    inward = np.einsum('fi,fi->f', across, hull.equations[:, :3]) < 0
    faces[inward] = faces[inward, ::-1]
    return Mesh(points, faces)


def solid_mesh(solid: Solid) -> Mesh:
    """Return the meshes of all parts as one; parts may overlap."""
    counts = np.cumsum([0, *(len(part.mesh.corners) for part in solid)])
    return Mesh(
        np.concatenate([part.mesh.corners for part in solid]),
        np.concatenate(
            [
                part.mesh.faces + count
                for part, count in zip(solid, counts, strict=False)
            ]
        ),
    )


def solid_volume(solid: Solid) -> float:
    """Return the summed volume of the parts' meshes in cubic metres."""
    return sum(part.mesh.moments()[0] for part in solid)


def centred(solid: Solid, longest: float | int) -> Solid:
    """Scale a solid and move its centre of mass to the origin.

    Args:
        solid: Parts of one density.
        longest: The longest side of its bounding box afterwards, in metres.
    """
    corners = solid_mesh(solid).corners
    scale = longest / float(np.ptp(corners, axis=0).max())
    volumes, middles = zip(*(p.mesh.moments() for p in solid), strict=True)
    middle = np.average(middles, axis=0, weights=volumes)
    return tuple(_moved(part, -middle, scale) for part in solid)


def solid_radius(solid: Solid) -> float:
    """Return the radius around the origin that holds the solid."""
    return float(np.linalg.norm(solid_mesh(solid).corners, axis=1).max())


def solid_normals(solid: Solid, points: Points) -> Points:
    """Return the outward unit normal at points on the surface.

    A solid of several parts takes the normal of the part whose surface is
    nearest.

    Args:
        solid: The parts.
        points: In the frame of the solid, on the surface or, by as much as
            meshes cut corners, inside it.
    """
    surfaces = [part_surface(part, points) for part in solid]
    if len(surfaces) == 1:
        return surfaces[0][1]
    gaps = np.abs(np.stack([gap for gap, _ in surfaces]))
    normals = np.stack([normal for _, normal in surfaces], axis=1)
    nearest = gaps.argmin(axis=0)
    return np.take_along_axis(normals, nearest[None, None], axis=1)[:, 0]


def part_surface(
    part: Part, points: Points
) -> tuple[Float[np.ndarray, ' S'], Points]:
    """Return how far points lie from a part's surface, and the normals.

    Args:
        part: The part.
        points: In the frame of the solid.

    Returns:
        Distances in metres, negative inside; exact on the surface, else a
        lower bound of the size of the distance to the nearest face. The
        unit normal of that face.
    """
    half = column(part.half, points)
    local = turned(part.rotation.T, points - column(part.offset, points))
    if part.kind == 'box':
        gap, normal = _box_surface(local, half)
    elif part.kind == 'ellipsoid':
        gap, normal = _ellipsoid_surface(local, half)
    elif part.kind == 'hull':
        gap, normal = _hull_surface(local, part)
    else:
        gap, normal = _round_surface(local, half, part.kind == 'cone')
    return gap, turned(part.rotation, normal)


def _box_surface(
    local: Points, half: Float[np.ndarray, '3 1']
) -> tuple[np.ndarray, Points]:
    gaps = np.abs(local) - half
    axis = gaps.argmax(axis=0)
    normal = np.where(np.arange(3)[:, None] == axis, np.sign(local), 0)
    return gaps.max(axis=0), normal.astype(local.dtype)


def _ellipsoid_surface(
    local: Points, half: Float[np.ndarray, '3 1']
) -> tuple[np.ndarray, Points]:
    ball = local / half
    gap = (np.sqrt(dots(ball, ball)) - 1) * half.min()
    return gap, unit(ball / half)


def _round_surface(
    local: Points, half: Float[np.ndarray, '3 1'], is_cone: bool
) -> tuple[np.ndarray, Points]:
    """Return the surface of a cylinder or cone with elliptic rings."""
    x, y, z = local / half
    # How far out, in rings of the mesh: polygons with corners on the circle.
    ring = np.sqrt(x * x + y * y)
    wedge = np.pi / SEGMENTS
    turn = (np.arctan2(y, x) + wedge) % (2 * wedge) - wedge
    ring = ring * np.cos(turn - wedge * np.sign(turn)) / np.cos(wedge)
    slope = 0.5 if is_cone else 0.0
    width = float(half[:2].min())
    # Distance from the side: across the axis, shortened by its slope.
    lean = np.hypot(1, slope * width / float(half[2, 0]))
    side = (ring - 1 + slope * (z + 1)) * width / lean
    ends = (-z - 1 if is_cone else np.abs(z) - 1) * half[2, 0]
    safe = np.maximum(ring, 1e-6)
    out = np.stack([x / safe, y / safe, np.full_like(x, slope)]) / half
    flat = np.stack([0 * x, 0 * x, np.sign(z)])
    is_side = side >= ends
    normal = np.where(is_side, unit(out), flat)
    return np.where(is_side, side, ends), normal.astype(local.dtype)


def _hull_surface(local: Points, part: Part) -> tuple[np.ndarray, Points]:
    assert part.planes is not None
    planes = part.planes.astype(local.dtype)
    gaps = turned(planes[:, :3], local) + planes[:, 3:]
    nearest = gaps.argmax(axis=0)
    return gaps.max(axis=0), planes[nearest, :3].T


def _moved(part: Part, shift: Vector, scale: float) -> Part:
    """Return a part that is first moved, then scaled about the origin."""
    planes = part.planes
    if planes is not None:
        planes = planes * [1, 1, 1, scale]
    return Part(
        part.kind,
        part.half * scale,
        (part.offset + shift) * scale,
        part.rotation,
        Mesh((part.mesh.corners + shift) * scale, part.mesh.faces),
        planes,
    )


@cache
def _unit_mesh(kind: str) -> Mesh:
    """Return the mesh of a part with half extents of 1."""
    angle = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if kind == 'box':
        grid = np.meshgrid(*3 * [[-1.0, 1.0]])
        return convex_mesh(np.stack(grid, axis=-1).reshape(-1, 3))
    if kind == 'ellipsoid':
        polar = np.pi * np.arange(1, RINGS) / RINGS
        heights, radii = np.cos(polar), np.sin(polar)
        poles = [[0, 0, 1], [0, 0, -1]]
    elif kind == 'cylinder':
        heights, radii, poles = np.array([-1, 1]), np.ones(2), []
    else:
        heights, radii, poles = np.array([-1]), np.ones(1), [[0, 0, 1]]
    rings = [
        np.column_stack([radius * circle, np.full(SEGMENTS, height)])
        for height, radius in zip(heights, radii, strict=True)
    ]
    return convex_mesh(np.concatenate([*rings, np.reshape(poles, (-1, 3))]))


def _cross(
    left: Float[np.ndarray, 'F 3'], right: Float[np.ndarray, 'F 3']
) -> Float[np.ndarray, 'F 3']:
    """Return cross products; for many short arrays faster than numpy's."""
    a, b, c = left.T
    x, y, z = right.T
    return np.stack([b * z - c * y, c * x - a * z, a * y - b * x], axis=1)
