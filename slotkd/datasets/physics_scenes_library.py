"""Kinds of solids in physics scenes, drawn at random."""

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from slotkd.datasets.physics_scenes_shapes import (
    Solid,
    centred,
    make_hull,
    make_part,
)

Generator = np.random.Generator


def draw_solid(rng: Generator, kind: str, longest: float | int) -> Solid:
    """Return a solid of a kind, of random proportions.

    Args:
        rng: Source of every random choice.
        kind: A key of :data:`SOLIDS`.
        longest: Longest side of its bounding box in metres.
    """
    return centred(SOLIDS[kind](rng), longest)


def _sphere(rng: Generator) -> Solid:
    return (make_part('ellipsoid', (1, 1, 1)),)


def _cube(rng: Generator) -> Solid:
    return (make_part('box', (1, 1, 1)),)


def _can(rng: Generator) -> Solid:
    return (make_part('cylinder', (1, 1, 1)),)


def _ball(rng: Generator) -> Solid:
    return (make_part('ellipsoid', rng.uniform(0.6, 1, 3)),)


def _carton(rng: Generator) -> Solid:
    return (make_part('box', rng.uniform(0.3, 1, 3)),)


def _tin(rng: Generator) -> Solid:
    radius, height = rng.uniform(0.4, 1, 2)
    return (make_part('cylinder', (radius, radius, height)),)


def _cone(rng: Generator) -> Solid:
    return (make_part('cone', (1, 1, rng.uniform(0.7, 1.3))),)


def _rock(rng: Generator) -> Solid:
    """Return an irregular convex solid."""
    points = rng.normal(size=(int(rng.integers(10, 26)), 3))
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    points = points * rng.uniform(0.8, 1, (len(points), 1))
    return (make_hull(points * rng.uniform(0.5, 1, 3)),)


def _crystal(rng: Generator) -> Solid:
    """Return a prism, straight or narrowing upwards."""
    sides = int(rng.integers(3, 8))
    top, height = rng.uniform(0.3, 1.1), rng.uniform(0.5, 1.2)
    angle = 2 * np.pi * np.arange(sides) / sides
    ring = np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    above = ring * top + [0, 0, height]
    return (make_hull(np.concatenate([ring - [0, 0, height], above])),)


def _bottle(rng: Generator) -> Solid:
    radius, neck = rng.uniform(0.35, 0.6), rng.uniform(0.12, 0.2)
    return (
        make_part('cylinder', (radius, radius, 0.8)),
        make_part('cylinder', (neck, neck, 0.5), (0, 0, 1)),
        make_part('ellipsoid', 3 * [radius], (0, 0, 0.75)),
    )


def _mug(rng: Generator) -> Solid:
    radius = rng.uniform(0.5, 0.8)
    grip, across = 0.12, radius + 0.25
    return (
        make_part('cylinder', (radius, radius, 0.8)),
        make_part('box', (0.3, grip, grip), (across - 0.1, 0, 0.45)),
        make_part('box', (0.3, grip, grip), (across - 0.1, 0, -0.45)),
        make_part('box', (grip, grip, 0.55), (across + 0.2, 0, 0)),
    )


def _dumbbell(rng: Generator) -> Solid:
    ends = rng.uniform(0.35, 0.55, 2)
    upright = Rotation.from_euler('y', 90, degrees=True).as_matrix()
    return (
        make_part('cylinder', (0.18, 0.18, 0.9), rotation=upright),
        make_part('ellipsoid', 3 * [ends[0]], (0.9, 0, 0)),
        make_part('ellipsoid', 3 * [ends[1]], (-0.9, 0, 0)),
    )


def _stool(rng: Generator) -> Solid:
    height, leg = rng.uniform(0.4, 0.7), rng.uniform(0.1, 0.18)
    legs = [
        make_part('box', (leg, leg, height), (x, y, -height))
        for x in (-0.7, 0.7)
        for y in (-0.7, 0.7)
    ]
    return (make_part('box', (0.9, 0.9, 0.15)), *legs)


def _car(rng: Generator) -> Solid:
    height, length = rng.uniform(0.3, 0.5), rng.uniform(0.4, 0.6)
    sideways = Rotation.from_euler('x', 90, degrees=True).as_matrix()
    wheels = [
        make_part(
            'cylinder', (0.25, 0.25, 0.1), (x, y, -0.25), rotation=sideways
        )
        for x in (-0.6, 0.6)
        for y in (-0.5, 0.5)
    ]
    cabin = make_part('box', (length, 0.42, height), (-0.1, 0, height + 0.2))
    return (make_part('box', (1, 0.5, 0.25)), cabin, *wheels)


def _figure(rng: Generator) -> Solid:
    """Return a doll of blocks."""
    width, head = rng.uniform(0.3, 0.5), rng.uniform(0.25, 0.4)
    limbs = [
        make_part('box', (0.14, 0.14, 0.5), (x * width, 0, z))
        for x, z in ((-0.55, -1), (0.55, -1), (-1.4, 0.1), (1.4, 0.1))
    ]
    body = make_part('box', (width, 0.25, 0.6))
    return (body, make_part('ellipsoid', 3 * [head], (0, 0, 0.9)), *limbs)


def _cross(rng: Generator) -> Solid:
    """Return three bars of random length through one point."""
    bars = 0.22 + 0.78 * np.eye(3) * rng.uniform(0.5, 1, 3)
    return tuple(make_part('box', half) for half in bars)


SOLIDS: dict[str, Callable[[Generator], Solid]] = dict(
    sphere=_sphere,
    cube=_cube,
    can=_can,
    ball=_ball,
    carton=_carton,
    tin=_tin,
    cone=_cone,
    rock=_rock,
    crystal=_crystal,
    bottle=_bottle,
    mug=_mug,
    dumbbell=_dumbbell,
    stool=_stool,
    car=_car,
    figure=_figure,
    cross=_cross,
)
