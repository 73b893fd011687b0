"""What a physics scene holds, drawn from a seed: objects, camera, light.

Three levels are modelled on MOVi-A, -C and -E. All lengths are metres, the
floor is z = 0, the scene's centre the origin.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from slotkd.datasets.physics_scenes_library import draw_solid
from slotkd.datasets.physics_scenes_patterns import (
    Pattern,
    draw_pattern,
    plain_pattern,
)
from slotkd.datasets.physics_scenes_shapes import Solid, solid_radius

FIELD_OF_VIEW = 0.8576
TOSS_LOW, TOSS_HIGH = (-5.0, -5.0, 1.0), (5.0, 5.0, 5.0)
REST_LOW, REST_HIGH = (-7.0, -7.0, 0.0), (7.0, 7.0, 10.0)
TOSS_SPEED = 4.0
# sRGB of CLEVR's eight colours.
CLEVR_COLORS = (
    (42, 75, 215),
    (129, 74, 25),
    (41, 208, 208),
    (87, 87, 87),
    (29, 105, 20),
    (129, 38, 192),
    (173, 35, 35),
    (255, 238, 51),
)
EVERYDAY = (
    *('ball', 'carton', 'carton', 'tin', 'cone', 'rock', 'crystal'),
    *('bottle', 'mug', 'dumbbell', 'stool', 'car', 'figure', 'cross'),
)


@dataclass(frozen=True, kw_only=True)
class SceneLevel:
    """How difficult a scene is.

    Args:
        tossed: Fewest and most objects that are thrown in.
        resting: Fewest and most objects that lie on the floor.
        kinds: Kinds of solids, each as likely as another.
        sizes: Longest sides: one of these if ``is_plain``, else a range.
        is_plain: CLEVR's colours of rubber and metal on a grey floor; else
            patterns on floor, objects and surroundings.
        camera: ``'clevr'``: at one place, but for a metre. ``'shell'``:
            anywhere at a distance. ``'line'``: the same, and moving
            straight on.
        distance: Nearest and farthest place of the camera from the centre.
    """

    tossed: tuple[int, int]
    resting: tuple[int, int] = (0, 0)
    kinds: tuple[str, ...] = EVERYDAY
    sizes: tuple[float, float]
    is_plain: bool = False
    camera: str
    distance: tuple[float, float] = (0.0, 0.0)


LEVELS = dict(
    a=SceneLevel(
        tossed=(3, 10),
        kinds=('cube', 'can', 'sphere'),
        sizes=(0.7, 1.4),
        is_plain=True,
        camera='clevr',
    ),
    c=SceneLevel(
        tossed=(3, 10), sizes=(0.75, 3.0), camera='shell', distance=(7.0, 9.0)
    ),
    e=SceneLevel(
        tossed=(1, 3),
        resting=(10, 20),
        sizes=(0.75, 3.0),
        camera='line',
        distance=(8.0, 12.0),
    ),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneObject:
    """One object as it enters the scene.

    Args:
        solid: Its shape.
        pattern: Its colours.
        is_metal: Whether it mirrors.
        position: Centre of mass at the start.
        orientation: Quaternion (x, y, z, w) at the start.
        velocity: In m/s; None for an object that lies on the floor.
    """

    solid: Solid
    pattern: Pattern
    is_metal: bool
    position: Float[np.ndarray, '3']
    orientation: Float[np.ndarray, '4']
    velocity: Float[np.ndarray, '3'] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """Everything that decides what a video shows.

    Args:
        level: Its level.
        objects: Resting ones first.
        camera_path: Places of the camera in the first frame and in the one
            after the last.
        sun: Direction towards the sun.
        look: Seed of the looks of floor and surroundings.
    """

    level: SceneLevel
    objects: tuple[SceneObject, ...]
    camera_path: tuple[Float[np.ndarray, '3'], Float[np.ndarray, '3']]
    sun: Float[np.ndarray, '3']
    look: int


def draw_scene(rng: np.random.Generator, level: SceneLevel) -> Scene:
    """Draw a scene.

    Numbers, sizes, regions, speeds and the camera follow MOVi: objects are
    tossed from a box of 10 x 10 x 4 metres above the floor, with up to
    4 m/s in x and y plus what carries them to the centre in a second.

    Args:
        rng: Source of every random choice.
        level: How difficult it is.

    Source:
        Greff et al., Kubric, CVPR 2022, arXiv:2203.03570, section 4 and
        google-research/kubric challenges/movi@17c82e9. Differs: solids and
        patterns are made up where Kubric takes scans and photographs; a
        camera of levels C and E is at least 1.5 m high; an object whose
        place is taken starts higher.
    """
    path = _camera_path(rng, level)
    taken: list[tuple[np.ndarray, float]] = []
    resting = int(rng.integers(level.resting[0], level.resting[1] + 1))
    tossed = int(rng.integers(level.tossed[0], level.tossed[1] + 1))
    objects = [
        _draw_object(rng, level, taken, is_tossed=index >= resting)
        for index in range(resting + tossed)
    ]
    height, side = rng.uniform(0.6, 1.2), rng.uniform(0, 2 * np.pi)
    if level.is_plain:
        sun = np.array([11.7, -6.6, 25.8]) + rng.uniform(-1, 1, 3)
    else:
        sun = np.array(
            [
                np.cos(height) * np.cos(side),
                np.cos(height) * np.sin(side),
                np.sin(height),
            ]
        )
    return Scene(
        level=level,
        objects=tuple(objects),
        camera_path=path,
        sun=sun / np.linalg.norm(sun),
        look=int(rng.integers(2**31)),
    )


def _draw_object(
    rng: np.random.Generator,
    level: SceneLevel,
    taken: list[tuple[np.ndarray, float]],
    *,
    is_tossed: bool,
) -> SceneObject:
    kind = level.kinds[int(rng.integers(len(level.kinds)))]
    if level.is_plain:
        size = level.sizes[int(rng.integers(2))]
        color = CLEVR_COLORS[int(rng.integers(len(CLEVR_COLORS)))]
        pattern = plain_pattern(color)
        is_metal = bool(rng.integers(2))
    else:
        size = float(rng.uniform(*level.sizes))
        pattern = draw_pattern(rng)
        is_metal = bool(rng.random() < 0.15)
    solid = draw_solid(rng, kind, size)
    position = _free_place(rng, solid_radius(solid), taken, is_tossed)
    velocity = None
    if is_tossed:
        velocity = rng.uniform(-TOSS_SPEED, TOSS_SPEED, 3) - position
        velocity[2] = 0
    return SceneObject(
        solid=solid,
        pattern=pattern,
        is_metal=is_metal,
        position=position,
        orientation=Rotation.random(random_state=rng).as_quat(),
        velocity=velocity,
    )


def _free_place(
    rng: np.random.Generator,
    radius: float,
    taken: list[tuple[np.ndarray, float]],
    is_tossed: bool,
) -> Float[np.ndarray, '3']:
    """Draw a place where a ball touches no other; higher if there is none."""
    region = (TOSS_LOW, TOSS_HIGH) if is_tossed else (REST_LOW, REST_HIGH)
    for attempt in range(10_000):
        place = rng.uniform(*region)
        place[2] = max(place[2], radius + 0.05) + attempt // 20
        if all(
            np.linalg.norm(place - other) > radius + other_radius
            for other, other_radius in taken
        ):
            break
    taken.append((place, radius))
    return place


def _camera_path(
    rng: np.random.Generator, level: SceneLevel
) -> tuple[Float[np.ndarray, '3'], Float[np.ndarray, '3']]:
    if level.camera == 'clevr':
        place = np.array([7.48113, -6.50764, 5.34367]) + rng.uniform(0, 1, 3)
        return place, place
    inner, outer = level.distance
    travel = rng.uniform(0, 4) if level.camera == 'line' else 0.0
    while True:
        start = rng.uniform(-outer, outer, 3)
        heading = rng.normal(size=3)
        end = start + travel * heading / np.linalg.norm(heading)
        if all(
            inner <= np.linalg.norm(place) <= outer and place[2] >= 1.5
            for place in (start, end)
        ):
            return start, end
