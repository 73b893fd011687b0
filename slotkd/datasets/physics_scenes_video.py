"""Videos of physics scenes: pixels, instance masks, depth and flow."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from slotkd.datasets.physics_scenes import (
    FIELD_OF_VIEW,
    LEVELS,
    Scene,
    draw_scene,
)
from slotkd.datasets.physics_scenes_camera import Camera, rigid_steps
from slotkd.datasets.physics_scenes_frame import (
    Studio,
    film,
    frame_flow,
)
from slotkd.datasets.physics_scenes_world import PhysicsWorld

SPLITS = ('train', 'validation')
# Part of what a set on disk depends on: raise it when pixels change.
GENERATION = 1
SETTLE_FRAMES = 48
_PIXELS_AT_ONCE = 24 * 128**2
_DENSITY = dict(rubber=1.1, metal=2.7)


@dataclass(frozen=True, eq=False)
class SceneVideo:
    """A video with its truth.

    Args:
        video: RGB.
        segmentations: 0 where no object is seen, else the object, from 1;
            every number up to the largest is seen in some frame.
        depth: Distance from the camera to the surface, in metres.
        forward_flow: How far what is seen moves until the next frame, (x, y)
            in pixels.
    """

    video: UInt8[np.ndarray, 'T H W 3']
    segmentations: UInt8[np.ndarray, 'T H W 1']
    depth: Float32[np.ndarray, 'T H W 1']
    forward_flow: Float32[np.ndarray, 'T H W 2']


@dataclass(frozen=True, eq=False)
class Motion:
    """Where bodies and camera are in each frame, and in one more."""

    rotations: Float[np.ndarray, 'T O 3 3']
    positions: Float[np.ndarray, 'T O 3']
    cameras: tuple[Camera, ...]


def make_scene_video(
    level: str,
    seed: int,
    split: str,
    index: int,
    *,
    num_frames: int = 24,
    size: int = 128,
) -> SceneVideo:
    """Make one video; the arguments alone decide what is in it.

    Args:
        level: A key of :data:`LEVELS`.
        seed: Which family of videos.
        split: One of :data:`SPLITS`; they share no scene.
        index: Which video of the split.
        num_frames: Its length; there are 12 frames in a second.
        size: Side of the frames in pixels.

    Raises:
        ValueError: If there is no such level or split, or a number is too
            small.
        ImportError: If PyBullet is not installed.
    """
    check_scene_options(level, seed, split, num_frames, size)
    for attempt in range(100):
        rng = np.random.default_rng(
            [seed, SPLITS.index(split), index, attempt]
        )
        made = render_scene(draw_scene(rng, LEVELS[level]), num_frames, size)
        if made.segmentations.any():
            return made
    raise RuntimeError(
        f'no object is in view in 100 scenes of level {level}, seed {seed}, '
        f'{split} {index}'
    )


def check_scene_options(
    level: str, seed: int, split: str, num_frames: int, size: int
) -> None:
    """Stop where :func:`make_scene_video` cannot make a video.

    Raises:
        ValueError: Names the option and its value.
    """
    if level not in LEVELS:
        raise ValueError(f'level={level!r} is none of {", ".join(LEVELS)}')
    if split not in SPLITS:
        raise ValueError(f'split={split!r} is none of {", ".join(SPLITS)}')
    if seed < 0 or num_frames < 1 or size < 16:
        raise ValueError(
            'need seed >= 0, frames >= 1 and size >= 16, got '
            f'seed={seed}, frames={num_frames} and size={size}'
        )


def render_scene(scene: Scene, num_frames: int, size: int) -> SceneVideo:
    """Simulate a scene and film it."""
    with PhysicsWorld() as world:
        motion = _simulate(world, scene, num_frames, size)
        return _film_all(world, scene, motion)


def _simulate(
    world: PhysicsWorld, scene: Scene, num_frames: int, size: int
) -> Motion:
    resting = [item.velocity is None for item in scene.objects]
    for index, item in enumerate(scene.objects):
        if index and resting[index - 1] and not resting[index]:
            world.settle(SETTLE_FRAMES)
        material = 'metal' if item.is_metal else 'rubber'
        world.add(
            item.solid,
            density=_DENSITY[material],
            position=item.position,
            orientation=item.orientation,
            friction=0.4 if item.is_metal else 0.8,
            restitution=0.3 if item.is_metal else 0.7,
        )
        if item.velocity is not None:
            world.throw(index, item.velocity.tolist())
    rotations, positions = world.run(num_frames)
    start, end = scene.camera_path
    cameras = tuple(
        Camera(
            start + (end - start) * frame / num_frames,
            np.zeros(3),
            FIELD_OF_VIEW,
            size,
        )
        for frame in range(num_frames + 1)
    )
    return Motion(rotations, positions, cameras)


def _film_all(world: PhysicsWorld, scene: Scene, motion: Motion) -> SceneVideo:
    """Film all frames."""
    size, count = motion.cameras[0].size, len(motion.cameras) - 1
    studio = Studio(scene, size)
    steps = rigid_steps(motion.rotations, motion.positions)
    chunk = max(1, _PIXELS_AT_ONCE // size**2)
    frames = []
    for start in range(0, count, chunk):
        now = slice(start, min(start + chunk, count))
        frames += film(
            world,
            studio,
            motion.cameras[now],
            motion.rotations[now],
            motion.positions[now],
        )
    flows = [
        frame_flow(frame, step, camera)
        for frame, step, camera in zip(
            frames, steps, motion.cameras[1:], strict=True
        )
    ]
    labels = np.stack([frame.labels for frame in frames])
    return SceneVideo(
        video=np.stack([frame.image for frame in frames]),
        segmentations=_renumbered(labels)[..., None],
        depth=np.stack([frame.depth for frame in frames])[..., None],
        forward_flow=np.stack(flows),
    )


def _renumbered(
    labels: UInt8[np.ndarray, 'T H W'],
) -> UInt8[np.ndarray, 'T H W']:
    """Number the bodies that are seen from 1 on, in their order."""
    counts = np.bincount(labels.ravel(), minlength=256)
    seen = np.cumsum(counts[1:] > 0)
    table = np.concatenate([[0], seen]).astype(np.uint8)
    return table[labels]
