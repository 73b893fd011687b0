"""Frames of physics scenes: what is seen, its colours, depth and flow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Integer, UInt8

from slotkd.datasets.physics_scenes import Scene
from slotkd.datasets.physics_scenes_camera import (
    Camera,
    carried,
    pixel_rays,
    project,
)
from slotkd.datasets.physics_scenes_shading import (
    BodySamples,
    GroundSamples,
    make_lighting,
    sample_ground,
    shade_bodies,
    shade_ground,
    to_srgb,
)
from slotkd.datasets.physics_scenes_shadows import (
    ShadowMap,
    draw_shadow_map,
    light_camera,
)
from slotkd.datasets.physics_scenes_vectors import column, dot
from slotkd.datasets.physics_scenes_world import PhysicsWorld

SUN_SAMPLES, SUN_SOFTNESS = 160, 0.11
SKY_SAMPLES, SKY_SOFTNESS = 64, 0.5


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame with its truth.

    Args:
        image: RGB.
        labels: The body seen at the centre of each pixel, 0 for none.
        points: What is seen there, in the world.
        depth: Its distance from the camera in metres.
    """

    image: UInt8[np.ndarray, 'H W 3']
    labels: UInt8[np.ndarray, 'H W']
    points: Float32[np.ndarray, '3 H W']
    depth: Float32[np.ndarray, 'H W']


@dataclass(frozen=True, eq=False)
class View:
    """What the camera sees at all samples of one frame, in rows.

    Args:
        labels: The body seen, 0 for none.
        mixed: Pixels around which several are seen.
        front: Samples that show a body and are needed.
        points: What is seen at samples that are needed, in the world.
        depth: Its distance.
        radiance: Its light; that of bodies is filled in later.
        sun: What the sun sees.
    """

    labels: UInt8[np.ndarray, 'M M']
    mixed: Bool[np.ndarray, 'H W']
    front: Integer[np.ndarray, ' F']
    points: Float32[np.ndarray, '3 S']
    depth: Float32[np.ndarray, ' S']
    radiance: Float32[np.ndarray, '3 S']
    sun: ShadowMap


class Studio:
    """What the frames of one scene share: lights, samples, a still backdrop.

    There are twice as many samples as pixels in each direction; those of
    even row and column are the centres of the pixels.

    Args:
        scene: The scene.
        size: Side of the frames in pixels.
    """

    def __init__(self, scene: Scene, size: int) -> None:
        self.scene = scene
        self.size = size
        self.lighting = make_lighting(scene)
        self.sun_camera = light_camera(self.lighting.sun, SUN_SAMPLES)
        self.sky_camera = light_camera(np.array([0.0, 0, 1]), SKY_SAMPLES)
        steps = np.arange(1, 2 * size + 1, dtype=np.float32) / 2
        x, y = np.meshgrid(steps, steps)
        self.places = np.stack([x.ravel(), y.ravel()])
        self._still: GroundSamples | None = None

    def ground(
        self, camera: Camera, wanted: Integer[np.ndarray, ' S']
    ) -> GroundSamples:
        """Return samples of the backdrop; of a still camera, look once."""
        if not np.array_equal(*self.scene.camera_path):
            places = self.places[:, wanted]
            return sample_ground(self.lighting, camera, places)
        if self._still is None:
            self._still = sample_ground(self.lighting, camera, self.places)
        return self._still.take(wanted)


def film(
    world: PhysicsWorld,
    studio: Studio,
    cameras: Sequence[Camera],
    rotations: Float[np.ndarray, 'T O 3 3'],
    positions: Float[np.ndarray, 'T O 3'],
) -> list[Frame]:
    """Return frames of the bodies in some poses.

    Each pixel has the colour of its centre. Where another body, or the
    backdrop, is seen half a pixel away, it has the mean of 3x3 samples
    instead, weighted by a tent.

    Args:
        world: The bodies.
        studio: The scene's.
        cameras: The camera in each frame.
        rotations: The bodies' axes as columns.
        positions: Their centres.
    """
    views = []
    for camera, turns, places in zip(
        cameras, rotations, positions, strict=True
    ):
        world.pose(turns, places)
        views.append(look(world, studio, camera))
    counts = [len(view.front) for view in views]
    samples = BodySamples(
        np.concatenate([v.labels.ravel()[v.front] for v in views]),
        np.repeat(np.arange(len(views)), counts),
        np.concatenate([v.points[:, v.front] for v in views], axis=1),
    )
    radiance = shade_bodies(
        studio.lighting,
        studio.scene.objects,
        samples,
        rotations,
        positions,
        eyes=np.stack([camera.position for camera in cameras]),
        suns=[view.sun for view in views],
    )
    for view, end in zip(views, np.cumsum(counts), strict=True):
        start = end - len(view.front)
        view.radiance[:, view.front] = radiance[:, start:end]
    return [develop_view(view) for view in views]


def look(world: PhysicsWorld, studio: Studio, camera: Camera) -> View:
    """Return what the camera sees; bodies are not shaded yet."""
    seen, along = world.rasterize(camera, 2 * studio.size)
    labels = seen.astype(np.uint8)
    mixed = mixed_pixels(labels)
    wanted = wanted_samples(mixed)
    behind = np.flatnonzero(wanted & (labels == 0))
    front = np.flatnonzero(wanted & (labels > 0))
    sun = draw_shadow_map(world, studio.sun_camera, SUN_SOFTNESS)
    sky = draw_shadow_map(world, studio.sky_camera, SKY_SOFTNESS)
    ground = studio.ground(camera, behind)
    points = np.zeros((3, labels.size), np.float32)
    depth = np.zeros(labels.size, np.float32)
    radiance = np.zeros((3, labels.size), np.float32)
    points[:, behind], depth[behind] = ground.points, ground.distance
    points[:, front], depth[front] = _seen_points(
        camera, studio.places[:, front], along.ravel()[front]
    )
    radiance[:, behind] = shade_ground(ground, sun, sky)
    return View(labels, mixed, front, points, depth, radiance, sun)


def develop_view(view: View) -> Frame:
    """Return the frame that a view shows, its bodies shaded."""
    shape = view.labels.shape
    return Frame(
        image=develop(view.radiance.reshape(3, *shape), view.mixed),
        labels=view.labels[::2, ::2],
        points=view.points.reshape(3, *shape)[:, ::2, ::2],
        depth=view.depth.reshape(shape)[::2, ::2],
    )


def frame_flow(
    frame: Frame, steps: Float[np.ndarray, 'O 3 4'], camera: Camera
) -> Float32[np.ndarray, 'H W 2']:
    """Return how far what each pixel shows moves until the next frame.

    A point keeps its place on its body; the body moves rigidly, and so may
    the camera. Where the point is hidden in the next frame, or outside of
    it, the flow says where it would be.

    Args:
        frame: The frame.
        steps: What carries each body to the next frame.
        camera: The camera there; what is seen must be in front of it.

    Returns:
        Differences (x, y) in pixels.
    """
    labels, size = frame.labels.ravel(), len(frame.labels)
    points = frame.points.reshape(3, -1).astype(np.float64)
    there = project(camera, carried(points, labels, steps))
    centres = np.indices((size, size))[::-1].reshape(2, -1) + 0.5
    flow = (there - centres).T.reshape(size, size, 2)
    return flow.astype(np.float32)


def mixed_pixels(
    labels: Integer[np.ndarray, 'M M'],
) -> Bool[np.ndarray, 'H W']:
    """Mark pixels around whose centre samples have several labels."""
    padded = np.pad(labels, 1, mode='edge')
    centre = labels[::2, ::2]
    mixed = np.zeros(centre.shape, bool)
    for near in _around(padded):
        mixed |= near != centre
    return mixed


def wanted_samples(
    mixed: Bool[np.ndarray, 'H W'],
) -> Bool[np.ndarray, 'M M']:
    """Mark the samples to shade: centres, and all around mixed pixels."""
    side = 2 * len(mixed) + 2
    padded = np.zeros((side, side), bool)
    padded[1:-1:2, 1:-1:2] = True
    for near in _around(padded):
        near |= mixed
    return padded[1:-1, 1:-1]


def develop(
    radiance: Float32[np.ndarray, '3 M M'], mixed: Bool[np.ndarray, 'H W']
) -> UInt8[np.ndarray, 'H W 3']:
    """Turn linear light of samples into pixels.

    Args:
        radiance: Of the samples.
        mixed: Pixels that are the mean of the samples around their centre;
            beyond the rim, those on it count again.
    """
    pixels = radiance[:, ::2, ::2].copy()
    rows, columns = np.nonzero(mixed)
    total = np.zeros((3, len(rows)), np.float32)
    last = radiance.shape[1] - 1
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            row = np.clip(2 * rows + down, 0, last)
            column = np.clip(2 * columns + right, 0, last)
            weight = (2 - abs(down)) * (2 - abs(right)) / 16
            total += np.float32(weight) * radiance[:, row, column]
    pixels[:, rows, columns] = total
    return np.ascontiguousarray(np.moveaxis(to_srgb(pixels), 0, -1))


def _around(
    padded: Integer[np.ndarray, 'P P'] | Bool[np.ndarray, 'P P'],
) -> list[np.ndarray]:
    """Return nine views of samples: those around the centres of pixels."""
    stop = len(padded) - 2
    return [
        padded[y : y + stop : 2, x : x + stop : 2]
        for y in range(3)
        for x in range(3)
    ]


def _seen_points(
    camera: Camera,
    places: Float32[np.ndarray, '2 S'],
    along: Float32[np.ndarray, ' S'],
) -> tuple[Float32[np.ndarray, '3 S'], Float32[np.ndarray, ' S']]:
    """Return points of the world, and how far they are from the camera."""
    rays = pixel_rays(camera, places)
    distance = along / -dot(camera.axes[2], rays)
    return column(camera.position, rays) + rays * distance, distance
