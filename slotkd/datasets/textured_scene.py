"""Draw textured shapes that move over a textured background."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

KINDS = ('disc', 'square', 'triangle', 'cross')
CELLS = 24  # of a texture, along each side
_TRIES = 20
_VISIBLE = 0.4  # of each shape, in the first frame it is in


@dataclass(frozen=True, kw_only=True)
class TexturedScene:
    """What :func:`draw_textured_shapes` draws.

    Args:
        num_frames: Frames of a clip.
        size: Side of the square frame in pixels.
        min_shapes: Fewest shapes in a clip.
        max_shapes: Most shapes in a clip.
        radius: Range of the half side of a shape, as a share of the frame.
        speed: Range of the speed, as a share of the frame's side per frame.
        turn: Largest change of heading and of orientation, radians per
            frame.
        zoom: Largest change of size, as a share per frame.
        drift: Largest speed of the background, share of the frame's side.
        contrast: Strength in [0, 1] of the textures.
        noise: Largest deviation of the pixel noise, as a share of white.
    """

    num_frames: int = 12
    size: int = 96
    min_shapes: int = 1
    max_shapes: int = 3
    radius: Sequence[float | int] = (0.12, 0.22)
    speed: Sequence[float | int] = (0.01, 0.0625)
    turn: float | int = 0.15
    zoom: float | int = 0.02
    drift: float | int = 0.01
    contrast: float | int = 0.6
    noise: float | int = 0.02

    def __post_init__(self) -> None:
        if not 1 <= self.min_shapes <= self.max_shapes <= 10:
            raise ValueError(
                'need 1 <= min_shapes <= max_shapes <= 10, got min_shapes='
                f'{self.min_shapes} and max_shapes={self.max_shapes}'
            )
        if self.num_frames < 1 or self.size < 8:
            raise ValueError(
                'need num_frames >= 1 and size >= 8, got num_frames='
                f'{self.num_frames} and size={self.size}'
            )
        for name, low, high in (
            ('radius', self.radius[0], 0.4),
            ('speed', 0.0, 0.5),
        ):
            values = tuple(getattr(self, name))
            if not 0 <= low <= values[0] <= values[1] <= high or low < 0:
                raise ValueError(
                    f'{name} must hold two rising shares up to {high}, got '
                    f'{values}'
                )
        for name in ('turn', 'zoom', 'drift', 'contrast', 'noise'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f'{name}={getattr(self, name)} is outside [0, 1]'
                )


@dataclass(frozen=True, kw_only=True)
class _Track:
    """Where one shape is in each frame."""

    centre: Float[np.ndarray, 'T 2']  # (x, y) in pixels
    angle: Float[np.ndarray, ' T']
    radius: Float[np.ndarray, ' T']


def draw_textured_shapes(
    rng: np.random.Generator, scene: TexturedScene, *, late: bool = False
) -> tuple[UInt8[np.ndarray, 'T H W 3'], UInt8[np.ndarray, 'T H W']]:
    """Draw one clip: shapes move smoothly, turn, grow, and hide each other.

    Shapes and background have random smooth textures of random colours, which
    move with them; a shape of a higher label is in front. The centre of a
    shape stays inside the frame.

    Args:
        rng: Source of every random choice.
        scene: What to draw.
        late: Let the shape of the highest label appear in the second third
            of the clip; one more shape is drawn where there is only one.

    Returns:
        The frames in RGB, and for each pixel the label of the shape seen
        there, from 1, or 0 for the background. In the first frame with it,
        no shape is mostly hidden.
    """
    count = int(rng.integers(scene.min_shapes, scene.max_shapes + 1))
    starts = np.zeros(max(count, 1 + late), int)
    if late:
        third = max(scene.num_frames // 3, 1)
        starts[-1] = rng.integers(third, max(2 * third, third + 1))
    for _ in range(_TRIES):
        inside = [_shape(rng, scene) for _ in starts]
        labels = _stack([shape[0] for shape in inside], starts)
        if _all_seen(labels, [shape[0] for shape in inside], starts):
            break
    video = _background(rng, scene)
    for label, (_, u, v) in enumerate(inside, start=1):
        seen = labels == label
        texture = _texture(rng, scene)
        video[seen] = _look_up(texture, u[seen], v[seen])
    noise = rng.random(video.shape, dtype=np.float32)
    video = video + scene.noise * (2 * noise - 1)
    return np.clip(255 * video + 0.5, 0, 255).astype(np.uint8), labels


def _shape(
    rng: np.random.Generator, scene: TexturedScene
) -> tuple[Bool[np.ndarray, 'T H W'], np.ndarray, np.ndarray]:
    """Return the pixels of a shape and their places on its texture."""
    track = _track(rng, scene)
    place = np.arange(scene.size, dtype=np.float32)
    dx = place[None, None, :] - track.centre[:, 0, None, None]
    dy = place[None, :, None] - track.centre[:, 1, None, None]
    cos, sin = (f(track.angle)[:, None, None] for f in (np.cos, np.sin))
    radius = track.radius[:, None, None]
    u = ((cos * dx + sin * dy) / radius).astype(np.float32)
    v = ((cos * dy - sin * dx) / radius).astype(np.float32)
    kind = KINDS[rng.integers(len(KINDS))]
    return _inside(kind, u, v), u, v


def _track(rng: np.random.Generator, scene: TexturedScene) -> _Track:
    """Draw a smooth path that folds back at the border."""
    steps = np.arange(scene.num_frames)
    slowest, fastest = scene.speed
    speed = scene.size * rng.uniform(slowest, fastest)
    heading = rng.uniform(0, 2 * np.pi) + steps * rng.uniform(
        -scene.turn, scene.turn
    )
    moves = speed * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    start = rng.uniform(0, scene.size - 1, 2)
    place = start + np.cumsum(moves, axis=0) - moves[0]
    room = scene.size - 1
    centre = room - np.abs(place % (2 * room) - room)
    smallest, largest = scene.radius
    growth = np.exp(steps * rng.uniform(-scene.zoom, scene.zoom))
    return _Track(
        centre=centre,
        angle=rng.uniform(0, 2 * np.pi)
        + steps * rng.uniform(-scene.turn, scene.turn),
        radius=scene.size * rng.uniform(smallest, largest) * growth,
    )


def _inside(
    kind: str,
    u: Float[np.ndarray, 'T H W'],
    v: Float[np.ndarray, 'T H W'],
) -> Bool[np.ndarray, 'T H W']:
    """Say which pixels a shape covers, from coordinates in its radii."""
    if kind == 'square':
        return (np.abs(u) < 0.85) & (np.abs(v) < 0.85)
    if kind == 'triangle':
        return (np.abs(u) < 0.6 * (v + 1)) & (v < 0.8)
    if kind == 'cross':
        across, along = np.abs(u), np.abs(v)
        thin = np.minimum(across, along) < 0.4
        return thin & (np.maximum(across, along) < 1)
    return u * u + v * v < 1


def _stack(
    shapes: list[Bool[np.ndarray, 'T H W']], starts: np.ndarray
) -> UInt8[np.ndarray, 'T H W']:
    """Draw the labels in their order, each from its first frame on."""
    labels = np.zeros(shapes[0].shape, np.uint8)
    for label, (shape, start) in enumerate(
        zip(shapes, starts, strict=True), start=1
    ):
        np.copyto(labels[start:], label, where=shape[start:])
    return labels


def _all_seen(
    labels: UInt8[np.ndarray, 'T H W'],
    shapes: list[Bool[np.ndarray, 'T H W']],
    starts: np.ndarray,
) -> bool:
    """Say whether each shape is well visible where it first appears."""
    return all(
        (labels[start] == label).sum() > _VISIBLE * max(shape[start].sum(), 1)
        for label, (shape, start) in enumerate(
            zip(shapes, starts, strict=True), start=1
        )
    )


def _texture(
    rng: np.random.Generator, scene: TexturedScene
) -> Float[np.ndarray, 'n n 3']:
    """Draw a random colour with smooth blobs of two sizes."""
    fine = rng.uniform(-1, 1, (CELLS, CELLS, 3))
    coarse = np.kron(rng.uniform(-1, 1, (6, 6, 3)), np.ones((4, 4, 1)))
    base = rng.uniform(0.25, 0.75, 3)
    pattern = 0.35 * fine + 0.65 * coarse
    return (base + 0.5 * scene.contrast * pattern).astype(np.float32)


def _look_up(
    texture: Float[np.ndarray, 'n n 3'],
    u: Float[np.ndarray, ' P'],
    v: Float[np.ndarray, ' P'],
) -> Float[np.ndarray, 'P 3']:
    """Interpolate a texture that spans -1.2 to 1.2, bilinearly."""
    last = CELLS - 1
    x, y = (np.clip((w / 1.2 + 1) / 2 * last, 0, last) for w in (u, v))
    left, top = (np.minimum(w.astype(int), last - 1) for w in (x, y))
    x, y = (x - left)[:, None], (y - top)[:, None]
    upper = (1 - x) * texture[top, left] + x * texture[top, left + 1]
    lower = (1 - x) * texture[top + 1, left] + x * texture[top + 1, left + 1]
    return (1 - y) * upper + y * lower


def _background(
    rng: np.random.Generator, scene: TexturedScene
) -> Float[np.ndarray, 'T H W 3']:
    """Draw a texture that drifts slowly behind the frame."""
    texture = _texture(rng, scene)
    steps = np.arange(scene.num_frames)[:, None]
    travel = 2 * steps * rng.uniform(-scene.drift, scene.drift, 2)
    place = np.linspace(-0.9, 0.9, scene.size)
    columns, rows = (
        _ramps((place + shift[:, None]) / 1.2) for shift in travel.T
    )
    channels = np.moveaxis(texture, 2, 0)
    image = rows[:, None] @ channels @ columns.mT[:, None]
    return np.ascontiguousarray(np.moveaxis(image, 1, 3))


def _ramps(place: Float[np.ndarray, 'T n']) -> Float[np.ndarray, 'T n cells']:
    """Return the weights that interpolate a texture at places in [-1, 1]."""
    last = CELLS - 1
    index = np.clip((place + 1) / 2 * last, 0, last)[..., None]
    weights = np.maximum(0, 1 - np.abs(index - np.arange(CELLS)))
    return weights.astype(np.float32)
