"""Light in physics scenes: the colour of each sample of a frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Integer, UInt8

from slotkd.datasets.physics_scenes import Scene, SceneObject
from slotkd.datasets.physics_scenes_backdrop import (
    Backdrop,
    dome_radiance,
    draw_backdrop,
    floor_albedo,
    hit_backdrop,
    on_dome,
    plain_backdrop,
)
from slotkd.datasets.physics_scenes_camera import Camera, pixel_rays
from slotkd.datasets.physics_scenes_patterns import pattern_colors
from slotkd.datasets.physics_scenes_shadows import (
    ShadowMap,
    body_shadow,
    floor_shadow,
)
from slotkd.datasets.physics_scenes_shapes import solid_normals
from slotkd.datasets.physics_scenes_vectors import (
    Points,
    Vector,
    column,
    dot,
    dots,
    unit,
)

_GAMMA_STEPS = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Lighting:
    """The lights of one scene.

    Args:
        backdrop: Floor and dome.
        fade: Where the floor turns into the dome, as distances from the
            centre.
        sun: Unit vector towards the sun.
        sun_color: Its light on a surface that faces it.
        sky_color: Light from above, on a surface that faces up.
        bounce_color: Light from below, on a surface that faces down.
        lamps: Places of lamps without shadows.
        lamp_color: Their light at a distance of 1 m.
    """

    backdrop: Backdrop
    fade: tuple[float | int, float | int]
    sun: Vector
    sun_color: Vector
    sky_color: Vector
    bounce_color: Vector
    lamps: Float[np.ndarray, 'K 3']
    lamp_color: float


@dataclass(frozen=True, eq=False)
class GroundSamples:
    """Samples of the backdrop and their light, before shadows.

    Args:
        points: Where they are.
        distance: From the camera, in metres.
        sunlit: Light that the sun brings.
        skylit: All other light.
    """

    points: Points
    distance: Float[np.ndarray, ' S']
    sunlit: Points
    skylit: Points

    def take(self, index: Integer[np.ndarray, ' R']) -> 'GroundSamples':
        """Return some of the samples."""
        return GroundSamples(
            self.points[:, index],
            self.distance[index],
            self.sunlit[:, index],
            self.skylit[:, index],
        )


@dataclass(frozen=True, eq=False)
class BodySamples:
    """Samples on bodies.

    Args:
        labels: Which body, from 1.
        frames: In which frame.
        points: Where.
    """

    labels: UInt8[np.ndarray, ' S']
    frames: Integer[np.ndarray, ' S']
    points: Points


def make_lighting(scene: Scene) -> Lighting:
    """Return the lights of a scene.

    Source:
        Places of the lamps of level A: CLEVR's, Johnson et al., CVPR 2017,
        arXiv:1612.06890, as in google-research/kubric.
    """
    rng = np.random.default_rng(scene.look)
    if scene.level.is_plain:
        lamps = np.array([[-1.2, 2.6, 5.8], [6.4, -2.9, 4.3], [-4.7, -4, 3]])
        return Lighting(
            backdrop=plain_backdrop(),
            fade=(9, 21),
            sun=scene.sun,
            sun_color=np.full(3, 0.55),
            sky_color=np.full(3, 0.16),
            bounce_color=np.full(3, 0.10),
            lamps=lamps + rng.uniform(-0.5, 0.5, lamps.shape),
            lamp_color=4.0,
        )
    backdrop = draw_backdrop(rng)
    warmth = rng.uniform(-0.12, 0.12)
    sky = backdrop.dome[-1, 16:].mean(axis=(0, 1)).astype(np.float64)
    floor = backdrop.floor[-1].mean(axis=(0, 1)).astype(np.float64)
    return Lighting(
        backdrop=backdrop,
        fade=(21.9, 22),
        sun=scene.sun,
        sun_color=np.array([1 + warmth, 1, 1 - warmth]) * rng.uniform(0.7, 1),
        sky_color=0.2 + 0.35 * sky,
        bounce_color=0.08 + 0.6 * floor,
        lamps=np.zeros((0, 3)),
        lamp_color=0.0,
    )


def sample_ground(
    lighting: Lighting, camera: Camera, places: Float[np.ndarray, '2 S']
) -> GroundSamples:
    """Return the backdrop at places of the image, before shadows."""
    rays = pixel_rays(camera, places)
    distance, on_floor = hit_backdrop(camera.position, rays)
    points = column(camera.position, rays) + rays * distance
    start, end = lighting.fade
    radius = np.hypot(points[0], points[1])
    share = on_floor * np.clip((end - radius) / (end - start), 0, 1)
    sunlit, skylit = np.zeros_like(points), np.zeros_like(points)
    near = np.flatnonzero(share > 0)
    # A pixel sees more of the floor where it looks along it.
    slope = np.maximum(-rays[2, near], 0.05)
    footprint = distance[near] / camera.focal / slope
    floor = points[:, near]
    albedo = floor_albedo(lighting.backdrop, floor, footprint) * share[near]
    sunlit[:, near] = albedo * column(
        lighting.sun_color * lighting.sun[2], rays
    )
    up = np.array([[0], [0], [1]], floor.dtype)
    lamps = _lamp_light(lighting, floor, np.broadcast_to(up, floor.shape))
    skylit[:, near] = albedo * (column(lighting.sky_color, rays) + lamps)
    far = np.flatnonzero(share < 1)
    dome = dome_radiance(lighting.backdrop, on_dome(points[:, far]), 0.0)
    skylit[:, far] += dome * (1 - share[far])
    return GroundSamples(points, distance, sunlit, skylit)


def shade_ground(
    ground: GroundSamples, sun: ShadowMap, sky: ShadowMap
) -> Points:
    """Return the radiance of samples of the backdrop, with shadows."""
    sunny = 1 - floor_shadow(sun, ground.points)
    open_sky = 1 - 0.5 * floor_shadow(sky, ground.points)
    return ground.sunlit * sunny + ground.skylit * open_sky


def shade_bodies(
    lighting: Lighting,
    objects: Sequence[SceneObject],
    samples: BodySamples,
    rotations: Float[np.ndarray, 'T O 3 3'],
    positions: Float[np.ndarray, 'T O 3'],
    *,
    eyes: Float[np.ndarray, 'T 3'],
    suns: Sequence[ShadowMap],
) -> Points:
    """Return the radiance of samples of bodies in some frames.

    Args:
        lighting: The lights.
        objects: The bodies.
        samples: The samples.
        rotations: The bodies' axes as columns, in each frame.
        positions: Their centres.
        eyes: The camera's places.
        suns: What the sun sees in each frame.
    """
    order = np.argsort(samples.labels, kind='stable')
    points, frames = samples.points[:, order], samples.frames[order]
    normals, albedo = np.empty_like(points), np.empty_like(points)
    metal = np.zeros_like(points[0])
    for index, part in _runs(samples.labels[order]):
        when = frames[part]
        turns = rotations[:, index].astype(points.dtype)[when]
        places = positions[:, index].astype(points.dtype)[when]
        moved = points[:, part] - places.T
        local = np.einsum('sij,is->js', turns, moved)
        inner = solid_normals(objects[index].solid, local)
        normals[:, part] = np.einsum('sij,js->is', turns, inner)
        albedo[:, part] = pattern_colors(objects[index].pattern, local)
        metal[part] = objects[index].is_metal
    view = eyes.astype(points.dtype)[frames].T - points
    shadow = body_shadow(suns, frames, points, normals)
    light = _body_light(lighting, points, normals, albedo, metal, view, shadow)
    radiance = np.empty_like(light)
    radiance[:, order] = light
    return radiance


def to_srgb(
    radiance: Float[np.ndarray, '3 ...'],
) -> UInt8[np.ndarray, '3 ...']:
    """Return linear light as 8-bit sRGB values, with a gamma of 2.2.

    From a table over the root of the light, which is nearly the result: it
    is off by 0.03 before rounding.
    """
    roots = np.sqrt(np.clip(radiance, 0, 1))
    index = (roots * (_GAMMA_STEPS - 1) + 0.5).astype(np.int16)
    return _gamma_table().take(index)


@cache
def _gamma_table() -> UInt8[np.ndarray, ' n']:
    roots = np.linspace(0, 1, _GAMMA_STEPS)
    return np.rint(255 * roots ** (2 / 2.2)).astype(np.uint8)


def _body_light(
    lighting: Lighting,
    points: Points,
    normals: Points,
    albedo: Points,
    metal: Float[np.ndarray, ' S'],
    view: Points,
    shadow: Float[np.ndarray, ' S'],
) -> Points:
    """Add up diffuse light, highlights and reflections."""
    sunny = 1 - shadow
    facing = np.maximum(dot(lighting.sun, normals), 0)
    up = 0.5 + 0.5 * normals[2]
    diffuse = column(lighting.sun_color, points) * (facing * sunny)
    diffuse += column(lighting.sky_color, points) * up
    diffuse += column(lighting.bounce_color, points) * (1 - up)
    diffuse += _lamp_light(lighting, points, normals)
    view = unit(view)
    mirrored = 2 * dots(view, normals) * normals - view
    glint = np.maximum(dot(lighting.sun, mirrored), 0) * sunny
    glint = glint ** np.where(metal > 0, 60, 14).astype(points.dtype)
    highlight = column(lighting.sun_color, points) * glint
    light = albedo * diffuse * (1 - 0.75 * metal)
    light += highlight * (0.12 + metal * (0.6 * albedo + 0.3))
    shiny = np.flatnonzero(metal)
    if len(shiny):
        around = _surroundings(lighting, mirrored[:, shiny])
        light[:, shiny] += albedo[:, shiny] * around
    return light


def _surroundings(lighting: Lighting, directions: Points) -> Points:
    """Return what a mirror shows: floor below, dome and lamps above."""
    dome = dome_radiance(lighting.backdrop, directions, 2.0)
    lower = 0.22 * (lighting.sun_color + lighting.sky_color)
    floor = column(lower, directions)
    for lamp in lighting.lamps:
        toward = lamp / np.linalg.norm(lamp)
        glow = np.maximum(dot(toward, directions), 0) ** 40
        dome = dome + 2 * glow
    share = np.clip(directions[2] * 6 + 0.5, 0, 1)
    return floor + (dome - floor) * share


def _lamp_light(
    lighting: Lighting, points: Points, normals: Points
) -> Float[np.ndarray, ' S']:
    """Return the light of all lamps on surfaces."""
    total = np.zeros_like(points[0])
    for lamp in lighting.lamps:
        away = column(lamp, points) - points
        squared = dots(away, away) + 2
        cosine = np.maximum(dots(away, normals), 0)
        total += lighting.lamp_color * cosine / (squared * np.sqrt(squared))
    return total


def _runs(
    labels: Integer[np.ndarray, ' S'],
) -> Iterator[tuple[int, slice]]:
    """Yield each body, counted from 0, and its part of sorted labels."""
    starts = np.flatnonzero(np.diff(labels, prepend=0)).tolist()
    ends = [*starts, len(labels)][1:]
    for start, end in zip(starts, ends, strict=True):
        yield int(labels[start]) - 1, slice(start, end)
