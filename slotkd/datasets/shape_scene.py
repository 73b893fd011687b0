"""Draw moving textured shapes, with their instance masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from einops import rearrange
from jaxtyping import Bool, Float, Integer, UInt8

KINDS = ('disc', 'square', 'triangle', 'diamond', 'ring')
MOTIONS = ('bounce', 'pass')


@dataclass(frozen=True, kw_only=True)
class ShapeScene:
    """What :func:`draw_moving_shapes` draws.

    Args:
        num_frames: Frames of a clip.
        size: Side of the frame, or height and width, in pixels.
        min_shapes: Fewest shapes in a clip.
        max_shapes: Most shapes in a clip.
        motion: ``'bounce'`` keeps every shape inside the frame;
            ``'pass'`` lets it leave and come back on the other side.
        radius: Range of the half side of a shape, as a share of the short
            side of the frame.
        speed: Range of the speed, as a share of the short side per frame.
        texture: Strength in [0, 1] of the patterns on shapes and background.
        noise: Largest deviation of the pixel noise, as a share of white.
    """

    num_frames: int = 6
    size: int | Sequence[int] = 32
    min_shapes: int = 2
    max_shapes: int = 4
    motion: str = 'bounce'
    radius: Sequence[float | int] = (0.12, 0.22)
    speed: Sequence[float | int] = (0.02, 0.08)
    texture: float | int = 0.3
    noise: float | int = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.min_shapes <= self.max_shapes <= 254:
            raise ValueError(
                'need 0 <= min_shapes <= max_shapes <= 254, got min_shapes='
                f'{self.min_shapes} and max_shapes={self.max_shapes}'
            )
        if self.num_frames < 1 or min(self.shape) < 2:
            raise ValueError(
                'need num_frames >= 1 and size >= 2, got num_frames='
                f'{self.num_frames} and size={self.size}'
            )
        if self.motion not in MOTIONS:
            raise ValueError(
                f'motion={self.motion!r} is none of {", ".join(MOTIONS)}'
            )
        if not 0 < self.radius[0] <= self.radius[1] <= 0.5:
            raise ValueError(
                'radius must hold two rising shares in (0, 0.5], got '
                f'{tuple(self.radius)}'
            )
        if not 0 <= self.speed[0] <= self.speed[1]:
            raise ValueError(
                f'speed must hold two rising shares, got {tuple(self.speed)}'
            )
        for name in ('texture', 'noise'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f'{name}={getattr(self, name)} is outside [0, 1]'
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the frame in pixels."""
        if isinstance(self.size, int):
            return self.size, self.size
        height, width = self.size
        return height, width


def draw_moving_shapes(
    rng: np.random.Generator, scene: ShapeScene
) -> tuple[UInt8[np.ndarray, 'T H W 3'], UInt8[np.ndarray, 'T H W']]:
    """Draw one clip; see :func:`draw_kinds_of_shapes`.

    Args:
        rng: Source of every random choice.
        scene: What to draw.

    Returns:
        The frames in RGB, and for each pixel the label of the shape seen
        there, from 1, or 0 for the background.
    """
    frames, labels, _ = draw_kinds_of_shapes(rng, scene)
    return frames, labels


def draw_kinds_of_shapes(
    rng: np.random.Generator, scene: ShapeScene
) -> tuple[
    UInt8[np.ndarray, 'T H W 3'],
    UInt8[np.ndarray, 'T H W'],
    Integer[np.ndarray, ' S'],
]:
    """Draw one clip of shapes that move over a static textured background.

    Shapes have saturated colours of well separated hues, the background is
    greyish. A shape of a higher label hides one of a lower label; its pattern
    moves with it.

    Args:
        rng: Source of every random choice.
        scene: What to draw.

    Returns:
        The frames in RGB; for each pixel the label of the shape seen there,
        from 1, or 0 for the background; and of each shape the index of its
        kind in :data:`KINDS`.
    """
    count = int(rng.integers(scene.min_shapes, scene.max_shapes + 1))
    kinds = rng.integers(len(KINDS), size=count)
    frames_shape = (scene.num_frames, *scene.shape)
    labels = np.zeros(frames_shape, np.uint8)
    shade = np.ones(frames_shape, np.float32)
    for index, (x, y) in enumerate(_shape_coordinates(rng, scene, count)):
        inside = _inside(KINDS[kinds[index]], x, y)
        freq, phase_x, phase_y = rng.uniform((2, 0, 0), (5, 6.3, 6.3))
        pattern = np.sin(freq * x + phase_x) * np.sin(freq * y + phase_y)
        np.copyto(labels, index + 1, where=inside)
        np.copyto(shade, 1 - scene.texture * (0.5 + pattern / 2), where=inside)
    # Channels first: numpy is slow where the last axis holds three values.
    colours = np.zeros((3, count + 1), np.float32)
    colours[:, 1:] = _saturated(rng, count).T
    shapes = colours.take(labels, axis=1) * shade
    video = np.where(labels, shapes, _background(rng, scene)[:, None])
    if scene.noise:
        noise = rng.random(video.shape, dtype=np.float32)
        video = video + scene.noise * (2 * noise - 1)
    pixels = np.clip(255 * video + 0.5, 0, 255).astype(np.uint8)
    frames = rearrange(pixels, 'c t h w -> t h w c')
    return np.ascontiguousarray(frames), labels, kinds


def _shape_coordinates(
    rng: np.random.Generator, scene: ShapeScene, count: int
) -> list[tuple[Float[np.ndarray, 'T 1 W'], Float[np.ndarray, 'T H 1']]]:
    """Return each pixel's place relative to each shape, in its radii."""
    height, width = scene.shape
    side = min(height, width)
    smallest, largest = scene.radius
    slowest, fastest = scene.speed
    radius = side * rng.uniform(smallest, largest, (count, 1))
    angle = rng.uniform(0, 2 * np.pi, (count, 1))
    step = side * rng.uniform(slowest, fastest, (count, 1))
    tracks = []
    for length, speed in (
        (width, step * np.cos(angle)),
        (height, step * np.sin(angle)),
    ):
        centre = _track(rng, scene, length, radius, speed)
        pixels = np.arange(length) + 0.5
        place = (pixels - centre[..., None]) / radius[..., None]
        tracks.append(place.astype(np.float32))
    x, y = tracks
    return list(zip(x[:, :, None, :], y[:, :, :, None], strict=True))


def _track(
    rng: np.random.Generator,
    scene: ShapeScene,
    length: int,
    radius: Float[np.ndarray, 'S 1'],
    speed: Float[np.ndarray, 'S 1'],
) -> Float[np.ndarray, 'S T']:
    """Return the centres along one axis of the frame, in pixels."""
    margin = radius if scene.motion == 'bounce' else -radius
    room = length - 2 * margin
    start = rng.uniform(0, 1, radius.shape) * (length - 2 * radius)
    travel = start + radius - margin + speed * np.arange(scene.num_frames)
    if scene.motion == 'bounce':
        room = np.maximum(room, 1e-6)
        return margin + room - np.abs(travel % (2 * room) - room)
    return margin + travel % room


def _inside(
    kind: str,
    x: Float[np.ndarray, 'T 1 W'],
    y: Float[np.ndarray, 'T H 1'],
) -> Bool[np.ndarray, 'T H W']:
    """Say which pixels a shape covers, from coordinates in its radii."""
    if kind == 'square':
        return (np.abs(x) < 0.9) & (np.abs(y) < 0.9)
    if kind == 'triangle':
        return (np.abs(x) < 0.55 * (y + 1)) & (y < 0.8)
    if kind == 'diamond':
        return np.abs(x) + np.abs(y) < 1.1
    squared = x * x + y * y
    if kind == 'ring':
        return (squared < 1) & (squared > 0.2)
    return squared < 1


def _saturated(
    rng: np.random.Generator, count: int
) -> Float[np.ndarray, 'S 3']:
    """Return one bright colour per shape, hues spread over the circle."""
    hue = np.arange(count) + rng.uniform(-0.15, 0.15, count)
    hue = rng.permutation(hue) / max(count, 1) + rng.uniform()
    saturation, value = rng.uniform(0.85, 1, (2, count, 1))
    sixth = (6 * hue[:, None] + np.array([0, 4, 2])) % 6
    pure = np.clip(np.abs(sixth - 3) - 1, 0, 1)
    return value * (1 - saturation + saturation * pure)


def _background(
    rng: np.random.Generator, scene: ShapeScene
) -> Float[np.ndarray, '3 H W']:
    """Return a greyish backdrop of soft random blobs."""
    cells = 5
    grey = rng.uniform(0.3, 0.6)
    tint = rng.uniform(-0.05, 0.05, (3, 1, 1))
    blobs = rng.uniform(-0.5, 0.5, (cells, cells))
    rows, columns = (_ramp(n, cells) for n in scene.shape)
    soft = rows @ blobs @ columns.T
    image = grey + tint + scene.texture * soft
    return image.astype(np.float32)


def _ramp(length: int, cells: int) -> Float[np.ndarray, 'n cells']:
    """Return the weights that stretch ``cells`` values linearly."""
    place = np.linspace(0, cells - 1, length)[:, None]
    return np.maximum(0, 1 - np.abs(place - np.arange(cells)))
