"""Colours of solids in physics scenes: patterns in the solid's own space."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from slotkd.datasets.physics_scenes_vectors import Points, column, turned

KINDS = ('plain', 'stripes', 'checks', 'dots', 'panels', 'marble', 'spots')
_NOISE_CELLS = 8


@dataclass(frozen=True, eq=False)
class Pattern:
    """How the colour depends on the place in a solid.

    Args:
        kind: Which of :data:`KINDS`.
        colors: Three colours, RGB in linear light in [0, 1].
        axes: Directions and frequencies of the pattern, radians per metre.
        phase: Its phase along each axis, in radians.
        noise: Values in [-1, 1] on a lattice that repeats.
    """

    kind: str
    colors: Float[np.ndarray, '3 3']
    axes: Float[np.ndarray, '3 3']
    phase: Float[np.ndarray, '3']
    noise: Float[np.ndarray, 'n n n']


def to_linear(color: Sequence[float | int]) -> Float[np.ndarray, '3']:
    """Return sRGB values in [0, 255] as linear light in [0, 1]."""
    return (np.array(color, np.float64) / 255) ** 2.2


def plain_pattern(color: Sequence[float | int]) -> Pattern:
    """Return a pattern of one sRGB colour."""
    return Pattern(
        'plain',
        np.tile(to_linear(color), (3, 1)),
        np.eye(3),
        np.zeros(3),
        np.zeros((2, 2, 2)),
    )


def draw_pattern(rng: np.random.Generator) -> Pattern:
    """Draw a pattern of two or three colours that differ in lightness."""
    hue = rng.random()
    colors = []
    for index in range(3):
        hue = (hue + rng.choice([0.0, 0.08, 0.33, 0.5])) % 1
        light = (0.35, 0.75, 0.95)[index] + rng.uniform(-0.2, 0.05)
        saturation = rng.uniform(0.1, 0.9) * (1 if index < 2 else 0.5)
        rgb = colorsys.hsv_to_rgb(hue, saturation, light)
        colors.append(to_linear((255 * rgb[0], 255 * rgb[1], 255 * rgb[2])))
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    if rng.random() < 0.6:
        axes = np.eye(3)
    shape = 3 * (_NOISE_CELLS,)
    return Pattern(
        KINDS[int(rng.integers(len(KINDS)))],
        np.array(colors)[rng.permutation(3)],
        axes * rng.uniform(6, 14),
        rng.uniform(0, 2 * np.pi, 3),
        rng.uniform(-1, 1, shape),
    )


def pattern_colors(pattern: Pattern, points: Points) -> Points:
    """Return the colour of each point of a solid.

    Args:
        pattern: The pattern.
        points: In the frame of the solid, in metres.

    Returns:
        RGB in linear light in [0, 1].
    """
    colors = pattern.colors.astype(points.dtype)
    if pattern.kind == 'plain':
        return np.repeat(colors[0, :, None], points.shape[1], axis=1)
    waves = turned(pattern.axes, points) + column(pattern.phase, points)
    share, accent = _shares(pattern, waves)
    first, second, third = (color[:, None] for color in colors)
    mixed = first + (second - first) * share
    return mixed + (third - mixed) * accent


def _shares(
    pattern: Pattern, waves: Points
) -> tuple[Float[np.ndarray, ' S'], Float[np.ndarray, ' S']]:
    """Return how much of the second colour, and how much of the third."""
    none = np.zeros_like(waves[0])
    if pattern.kind == 'stripes':
        return _step(np.sin(waves[0])), _step(np.sin(waves[0] / 2) - 0.8)
    if pattern.kind == 'checks':
        return _step(_product(np.sin(waves / 1.6))), none
    if pattern.kind == 'dots':
        return none, _step(np.abs(np.sin(waves / 1.5)).sum(axis=0) - 2.1)
    if pattern.kind == 'panels':
        return _step(np.sin(waves[0] / 3)), _step(np.sin(waves[2] / 3) - 0.5)
    noise = lattice_noise(pattern.noise, waves / (2 * np.pi))
    if pattern.kind == 'marble':
        return 0.5 + 0.5 * np.sin(waves[0] / 2 + 5 * noise), none
    return _step(noise - 0.1), _step(noise - 0.5)


def lattice_noise(
    noise: Float[np.ndarray, 'n n n'], places: Points
) -> Float[np.ndarray, ' S']:
    """Return values between those of a lattice, which repeats."""
    return ndimage.map_coordinates(
        noise.astype(places.dtype), places, order=1, mode='grid-wrap'
    )


def _step(values: Float[np.ndarray, ' S']) -> Float[np.ndarray, ' S']:
    """Return 0 below 0 and 1 above, with a soft edge."""
    return np.clip(4 * values + 0.5, 0, 1)


def _product(values: Points) -> Float[np.ndarray, ' S']:
    return values[0] * values[1] * values[2]
