"""Moving shapes of four classes, in YTVIS form, with a long tail."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from slotkd.atomic_file import write_atomically
from slotkd.ops.vis_annotations import read_annotations
from slotkd.ops.vis_frames import vis_as_frames
from slotkd.ops.vis_tubes import annotate_tube

CLASSES = ('square', 'disc', 'triangle', 'cross')
LONG_TAIL = (100, 30, 10, 3)
MIN_PIXELS = 6


@dataclass(frozen=True, kw_only=True)
class VisScene:
    """What :func:`draw_vis_video` draws.

    Args:
        num_frames: Frames of a video.
        size: Side of the square frame in pixels.
        max_objects: Most objects of a video; the number is drawn evenly
            from 1.
        frequencies: Relative frequency of each of :data:`CLASSES`.
        radius: Range of the half side of an object, as a share of the frame.
        speed: Range of the speed, as a share of the frame per frame.
        hues: Number of different hues: with few, objects of a class look
            alike.
        noise: Largest deviation of the pixel noise, as a share of white.
    """

    num_frames: int = 12
    size: int = 64
    max_objects: int = 4
    frequencies: Sequence[float | int] = LONG_TAIL
    radius: Sequence[float | int] = (0.12, 0.2)
    speed: Sequence[float | int] = (0.02, 0.08)
    hues: int = 6
    noise: float | int = 0.03

    def __post_init__(self) -> None:
        if len(self.frequencies) != len(CLASSES) or min(self.frequencies) < 0:
            raise ValueError(
                f'frequencies need {len(CLASSES)} values >= 0, got '
                f'{tuple(self.frequencies)}'
            )
        if min(self.num_frames, self.max_objects, self.hues) < 1:
            raise ValueError(
                'num_frames, max_objects and hues must be at least 1, got '
                f'{self.num_frames}, {self.max_objects} and {self.hues}'
            )


def draw_vis_video(
    rng: np.random.Generator, scene: VisScene
) -> tuple[
    UInt8[np.ndarray, 'T H W 3'], Bool[np.ndarray, 'O T H W'], list[int]
]:
    """Draw one video of textured shapes that move and hide each other.

    The class decides shape and texture, the hue is one of few. An object of
    a later index hides those before.

    Args:
        rng: Source of every random choice.
        scene: What to draw.

    Returns:
        Frames in RGB, the visible pixels of each object, and the class of
        each, an index of :data:`CLASSES`.
    """
    count = int(rng.integers(1, scene.max_objects + 1))
    shares = np.asarray(scene.frequencies, float)
    labels = rng.choice(len(CLASSES), count, p=shares / shares.sum()).tolist()
    shape = (scene.num_frames, scene.size, scene.size)
    owner = np.full(shape, -1)
    video = np.broadcast_to(_backdrop(rng, scene), (*shape, 3)).copy()
    for index, label in enumerate(labels):
        x, y = _places(rng, scene)
        inside = _inside(CLASSES[label], x, y)
        shade = 0.45 + 0.55 * _texture(CLASSES[label], x, y)
        colour = _colour(rng, scene.hues)
        owner[inside] = index
        video[inside] = (shade[..., None] * colour)[inside]
    video += rng.uniform(-scene.noise, scene.noise, video.shape)
    frames = np.clip(255 * video + 0.5, 0, 255).astype(np.uint8)
    masks = owner == np.arange(count)[:, None, None, None]
    return frames, masks, labels


def vis_shapes(
    seed: int, count: int, scene: VisScene, folder: Path, prefix: str
) -> dict[str, Any]:
    """Write videos as PNG frames and return their YTVIS annotations.

    A mask of fewer than six pixels counts as absent; an object never seen is
    left out.

    Args:
        seed: Seed; video k depends on it and on k alone.
        count: Number of videos.
        scene: What to draw.
        folder: Where the frames go, a folder for each video.
        prefix: Beginning of the videos' names.
    """
    videos: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        rng = np.random.default_rng([seed, number])
        frames, masks, labels = draw_vis_video(rng, scene)
        names = [
            f'{prefix}{number:04d}/{t:05d}.png' for t in range(len(frames))
        ]
        (folder / names[0]).parent.mkdir(parents=True, exist_ok=True)
        for name, frame in zip(names, frames, strict=True):
            Image.fromarray(frame).save(folder / name)
        videos.append(
            dict(
                id=number,
                width=scene.size,
                height=scene.size,
                length=scene.num_frames,
                file_names=names,
            )
        )
        for label, tube in zip(labels, masks, strict=True):
            track = annotate_tube(tube, min_pixels=MIN_PIXELS)
            if track is not None:
                track.update(
                    id=len(annotations) + 1,
                    video_id=number,
                    category_id=label + 1,
                )
                annotations.append(track)
    categories = [
        dict(id=label + 1, name=name, supercategory='shape')
        for label, name in enumerate(CLASSES)
    ]
    return dict(videos=videos, annotations=annotations, categories=categories)


def write_vis_shapes(
    out: Path,
    *,
    train: int,
    val: int,
    seed: int = 0,
    num_frames: int = 12,
    size: int = 64,
    max_objects: int = 4,
) -> dict[str, tuple[int, int]]:
    """Write ``<split>.json``, ``<split>_frames.json`` and the frames.

    Training videos have classes at 100:30:10:3. Of the validation videos all
    classes are equally frequent, so that the AP of the rarest is not decided
    by a handful of tracks.

    Args:
        out: Folder of the data set.
        train: Number of training videos.
        val: Number of validation videos.
        seed: Which family of videos.
        num_frames: See :class:`VisScene`, as are the following.
        size: Side of the frame.
        max_objects: Most objects of a video.

    Returns:
        Videos and tracks of each split.
    """
    written = {}
    for split, count, frequencies in (
        ('train', train, LONG_TAIL),
        ('val', val, (1, 1, 1, 1)),
    ):
        scene = VisScene(
            num_frames=num_frames,
            size=size,
            max_objects=max_objects,
            frequencies=frequencies,
        )
        family = 2 * seed + (split == 'val')
        content = vis_shapes(family, count, scene, out / 'frames', split)
        frames = vis_as_frames(read_annotations(content))
        for name, value in (('', content), ('_frames', frames)):
            path = out / f'{split}{name}.json'
            write_atomically(json.dumps(value).encode(), path)
        written[split] = count, len(content['annotations'])
    return written


def _places(
    rng: np.random.Generator, scene: VisScene
) -> tuple[Float[np.ndarray, 'T 1 W'], Float[np.ndarray, 'T H 1']]:
    """Return each pixel's place relative to a bouncing object, in radii."""
    radius = scene.size * rng.uniform(scene.radius[0], scene.radius[1])
    angle, step = (
        rng.uniform(0, 2 * np.pi),
        rng.uniform(scene.speed[0], scene.speed[1]),
    )
    room = scene.size - 2 * radius
    pixels = np.arange(scene.size) + 0.5
    places = []
    for part in (np.cos(angle), np.sin(angle)):
        travel = (
            rng.uniform(0, room)
            + np.arange(scene.num_frames) * part * step * scene.size
        )
        centre = radius + room - np.abs(travel % (2 * room) - room)
        places.append((pixels - centre[:, None]) / radius)
    x, y = places
    return x[:, None, :], y[:, :, None]


def _inside(
    kind: str,
    x: Float[np.ndarray, 'T 1 W'],
    y: Float[np.ndarray, 'T H 1'],
) -> Bool[np.ndarray, 'T H W']:
    """Say which pixels a shape covers."""
    if kind == 'square':
        return (np.abs(x) < 0.9) & (np.abs(y) < 0.9)
    if kind == 'disc':
        return x * x + y * y < 1
    if kind == 'triangle':
        return (np.abs(x) < 0.55 * (y + 1)) & (y < 0.85)
    bar = np.minimum(np.abs(x), np.abs(y)) < 0.35
    return bar & (np.maximum(np.abs(x), np.abs(y)) < 1)


def _texture(
    kind: str,
    x: Float[np.ndarray, 'T 1 W'],
    y: Float[np.ndarray, 'T H 1'],
) -> Float[np.ndarray, 'T H W']:
    """Return the brightness of a class's pattern, 0 to 1."""
    waves = {
        'square': np.sin(5 * x) + 0 * y,
        'disc': np.sin(5 * np.hypot(x, y)),
        'triangle': np.sin(6 * y) + 0 * x,
        'cross': np.sin(4 * x) * np.sin(4 * y),
    }
    return 0.5 + 0.5 * waves[kind]


def _colour(rng: np.random.Generator, hues: int) -> Float[np.ndarray, ' 3']:
    """Return one of few hues, slightly varied."""
    hue = (rng.integers(hues) + rng.uniform(-0.15, 0.15)) / hues
    sixth = (6 * hue + np.array([0, 4, 2])) % 6
    pure = np.clip(np.abs(sixth - 3) - 1, 0, 1)
    return rng.uniform(0.8, 1) * (0.25 + 0.75 * pure)


def _backdrop(
    rng: np.random.Generator, scene: VisScene
) -> Float[np.ndarray, '1 H W 3']:
    """Return a greyish gradient with stripes."""
    place = np.linspace(-1, 1, scene.size)
    slope, freq = rng.uniform(-0.15, 0.15, 2), rng.uniform(3, 9, 2)
    wave = np.sin(freq[0] * place)[:, None] * np.sin(freq[1] * place)
    grey = rng.uniform(0.3, 0.5) + 0.08 * wave
    grey = grey + slope[0] * place[:, None] + slope[1] * place
    tint = rng.uniform(-0.05, 0.05, 3)
    return (grey[..., None] + tint)[None]
