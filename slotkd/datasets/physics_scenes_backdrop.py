"""What surrounds a physics scene: a floor and the dome behind it."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import fft, ndimage

from slotkd.datasets.physics_scenes_patterns import to_linear
from slotkd.datasets.physics_scenes_vectors import Points, Vector, dot

Image = Float[np.ndarray, 'H W 3']
DOME_RADIUS = 22.0
_FLOOR_SIDE, _FLOOR_PIXELS = 16.0, 256
_DOME_SHAPE = (64, 256)
_LEVELS = 5
FLOORS = ('planks', 'tiles', 'ground', 'carpet')


@dataclass(frozen=True, eq=False)
class Backdrop:
    """Floor and dome of one scene.

    Args:
        floor: Albedo of a piece of the floor that repeats, from sharp to
            blurred by a factor of 2 from level to level.
        dome: Radiance of the dome by height (row 0 is the horizon) and
            direction, likewise.
    """

    floor: Float[np.ndarray, 'L n n 3']
    dome: Float[np.ndarray, 'L m k 3']


def plain_backdrop() -> Backdrop:
    """Return a grey floor under a grey dome, brightest at the horizon."""
    floor = np.full((2, 2, 3), 0.23)
    height = np.linspace(0, 1, _DOME_SHAPE[0])
    glow = 0.075 + 0.10 * np.exp(-height / 0.06)
    dome = np.repeat(glow[:, None, None], 3, axis=2)
    return Backdrop(
        _as_levels(floor, 'wrap'),
        _as_levels(np.tile(dome, (1, 4, 1)), 'nearest'),
    )


def draw_backdrop(rng: np.random.Generator) -> Backdrop:
    """Draw a patterned floor and a dome of sky, hills and buildings."""
    kind = FLOORS[int(rng.integers(len(FLOORS)))]
    return Backdrop(
        _as_levels(_draw_floor(rng, kind), 'wrap'),
        _as_levels(_draw_dome(rng), 'nearest'),
    )


def hit_backdrop(
    origin: Vector, rays: Points
) -> tuple[Float[np.ndarray, ' S'], Bool[np.ndarray, ' S']]:
    """Return how far the backdrop is along rays.

    Args:
        origin: Where the rays start, above the floor and inside the dome.
        rays: Unit vectors.

    Returns:
        The distance in metres, and whether the ray ends on the floor.
    """
    along = dot(origin, rays)
    gap = DOME_RADIUS**2 - float(origin @ origin)
    dome = -along + np.sqrt(along * along + gap)
    down = np.minimum(rays[2], -1e-6)
    floor = -float(origin[2]) / down
    on_floor = floor < dome
    return np.where(on_floor, floor, dome), on_floor


def on_dome(points: Points) -> Points:
    """Return the directions from the centre in which points are seen."""
    return points / np.float32(DOME_RADIUS)


def floor_albedo(
    backdrop: Backdrop, points: Points, footprint: Float[np.ndarray, ' S']
) -> Points:
    """Return the floor's albedo.

    Args:
        backdrop: The backdrop.
        points: On the floor.
        footprint: Width of the patch that a sample stands for, in metres.
    """
    side = backdrop.floor.shape[1]
    scale = side / _FLOOR_SIDE
    level = np.log2(np.maximum(footprint * scale, 1))
    x, y = points[0] * scale % side, points[1] * scale % side
    return _look_up(backdrop.floor, y, x, level)


def dome_radiance(
    backdrop: Backdrop, directions: Points, blur: float
) -> Points:
    """Return the light that comes from directions above the horizon.

    Args:
        backdrop: The backdrop.
        directions: Unit vectors; those below the horizon get its light.
        blur: Level of blur, 0 for none.
    """
    rows, columns = backdrop.dome.shape[1:3]
    x, y, z = directions
    height = np.arcsin(np.clip(z, 0, 1)) * (2 / np.pi) * (rows - 1)
    side = np.arctan2(y, x) / (2 * np.pi) % 1 * columns
    return _look_up(backdrop.dome, height, side, np.full_like(x, blur))


def _look_up(
    levels: Float[np.ndarray, 'L n m 3'],
    rows: Float[np.ndarray, ' S'],
    columns: Float[np.ndarray, ' S'],
    level: Float[np.ndarray, ' S'],
) -> Points:
    """Return colours between the four pixels around places of an image.

    Places are inside the image; past the last row and column it repeats,
    which a place on the last row does not see.
    """
    count, height, width = levels.shape[:3]
    table = levels.reshape(-1, 3)
    which = np.clip(level + 0.5, 0, count - 1).astype(np.intp)
    # Rounding may put a place on the far edge.
    top = np.minimum(rows.astype(np.intp), height - 1)
    left = np.minimum(columns.astype(np.intp), width - 1)
    down = (rows - top).astype(levels.dtype)[:, None]
    right = (columns - left).astype(levels.dtype)[:, None]
    first, second = which * height + top, which * height + (top + 1) % height
    after = (left + 1) % width
    upper = table.take(first * width + left, axis=0) * (1 - right)
    upper += table.take(first * width + after, axis=0) * right
    lower = table.take(second * width + left, axis=0) * (1 - right)
    lower += table.take(second * width + after, axis=0) * right
    upper += (lower - upper) * down
    return np.ascontiguousarray(upper.T)


def _as_levels(image: Image, rows: str) -> Float[np.ndarray, 'L H W 3']:
    """Stack an image with blurred copies of itself.

    Args:
        image: The image; it repeats from side to side.
        rows: What is beyond its upper and lower edge, in scipy's words.
    """
    levels = [image.astype(np.float32)]
    for power in range(1, _LEVELS):
        side = 2**power + 1
        levels.append(
            ndimage.uniform_filter(
                levels[-1], (side, side, 1), mode=(rows, 'wrap', 'nearest')
            )
        )
    return np.stack(levels)


def _draw_floor(rng: np.random.Generator, kind: str) -> Image:
    shape = (_FLOOR_PIXELS, _FLOOR_PIXELS)
    light = _earthy(rng, 110, 205)
    dark = light * rng.uniform(0.3, 0.75) * rng.uniform(0.85, 1.15, 3)
    grain = _cloud(rng, shape, (1, 3)) * 0.5
    patches = _cloud(rng, shape, (10, 30))
    rows, columns = np.indices(shape)
    if kind == 'planks':
        grain = _cloud(rng, shape, (0.7, 6), stretch=8)
        board = rows // 16
        shade = rng.uniform(-0.8, 0.8, 16)[board % 16]
        seam = (rows % 16 < 1) | ((columns + 37 * board) % 128 < 1)
        mix = 0.5 + 0.3 * shade + 0.25 * grain - 0.6 * seam
    elif kind == 'tiles':
        side = int(rng.choice([16, 32]))
        even = (rows // side + columns // side) % 2
        seam = (rows % side < 1) | (columns % side < 1)
        mix = 0.25 + 0.5 * even + 0.1 * grain + 0.1 * patches - 0.4 * seam
    elif kind == 'ground':
        mix = 0.5 + 0.35 * grain + 0.3 * patches
    else:
        weave = np.sin(rows * np.pi / 4) * np.sin(columns * np.pi / 4)
        mix = 0.5 + 0.12 * weave + 0.2 * patches + 0.1 * grain
    mix = np.clip(mix, 0, 1)[..., None]
    return dark + (light - dark) * mix


def _draw_dome(rng: np.random.Generator) -> Image:
    rows, columns = _DOME_SHAPE
    zenith = to_linear(tuple(rng.uniform((40, 80, 130), (150, 170, 230))))
    horizon = to_linear(tuple(rng.uniform((150, 150, 150), (235, 230, 225))))
    height = np.linspace(0, 1, rows)[:, None, None]
    image = horizon + (zenith - horizon) * np.minimum(1, 2 * height)
    clouds = np.clip(_cloud(rng, _DOME_SHAPE, (3, 8), stretch=2), 0, 1)
    image = image + (0.75 - image) * 0.7 * clouds[..., None]
    for depth in range(3):
        tint = _earthy(rng, 60, 190)
        blocky = rng.random() < 0.5
        wave = _cloud(rng, (1, columns), (2, 12))[0]
        if blocky:
            wave = np.repeat(wave[::8], 8)
        top = 0.16 - 0.05 * depth + 0.06 * wave
        body = tint * (
            0.85 + 0.3 * _cloud(rng, _DOME_SHAPE, (1, 2))[..., None]
        )
        image = (
            np.where(height[..., 0] < top, 1, 0)[..., None] * (body - image)
            + image
        )
    return np.clip(image, 0.01, 1)


def _earthy(
    rng: np.random.Generator, low: float | int, high: float | int
) -> Float[np.ndarray, '3']:
    """Return a colour of little saturation, its sRGB level in a range."""
    hue, light = rng.uniform(0, 1), rng.uniform(low, high) / 255
    # Three in four floors and walls are brown, beige or grey.
    if rng.random() < 0.75:
        hue = rng.uniform(0.04, 0.13)
    rgb = colorsys.hsv_to_rgb(hue, rng.uniform(0, 0.45), light)
    return to_linear((255 * rgb[0], 255 * rgb[1], 255 * rgb[2]))


def _cloud(
    rng: np.random.Generator,
    shape: tuple[int, int],
    sizes: Sequence[float | int],
    *,
    stretch: float | int = 1,
) -> Float[np.ndarray, 'H W']:
    """Return noise of two grain sizes and deviation 1 that repeats.

    Args:
        rng: Source of the noise.
        shape: Of the result.
        sizes: Deviations of the Gaussians that blur white noise, in pixels.
        stretch: How many times longer grains are than high.
    """
    rows = fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    columns = fft.rfftfreq(shape[1]).astype(np.float32) * np.float32(stretch)
    power = -2 * np.pi**2 * (rows**2 + columns**2)
    small, large = (np.exp(power * size**2) for size in sizes)
    blur = sum(each / np.sqrt((each**2).sum()) for each in (small, large))
    blur[0, 0] = 0
    white = rng.standard_normal(shape, np.float32)
    noise = fft.irfft2(fft.rfft2(white) * blur, shape)
    return noise / noise.std()
