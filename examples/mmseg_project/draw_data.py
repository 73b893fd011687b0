"""Draw the frames of the example: python draw_data.py [FOLDER]."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 64
FRAMES = 6


def inside(kind, x, y):
    """Tell which offsets from the centre, in units of the radius, count."""
    if kind == 1:
        return np.maximum(abs(x), abs(y)) < 0.85
    if kind == 2:
        return x**2 + y**2 < 1
    return (y < 0.8) & (2 * abs(x) < y + 1.2)


def draw_video(rng):
    """Return the images and labels of a video.

    Colours say nothing about classes; a square, a disc and a triangle each
    move along a line, the last one drawn in front.
    """
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    kinds = rng.permutation([1, 2, 3])
    start = rng.uniform(12, SIZE - 12, (3, 2))
    step = rng.uniform(-3, 3, (3, 2))
    radius = rng.uniform(8, 14, 3)
    colors = rng.uniform(60, 255, (4, 3))
    colors[0] *= 0.4
    images, labels = [], []
    for frame in range(FRAMES):
        label = np.zeros((SIZE, SIZE), np.uint8)
        color = np.zeros((SIZE, SIZE), np.uint8)
        for place, kind in enumerate(kinds):
            x, y = start[place] + frame * step[place]
            hit = inside(
                kind, (columns - x) / radius[place], (rows - y) / radius[place]
            )
            label[hit], color[hit] = kind, place + 1
        noise = rng.normal(0, 8, (SIZE, SIZE, 3))
        images.append((colors[color] + noise).clip(0, 255).astype(np.uint8))
        labels.append(label)
    return images, labels


def write_split(root, videos, seed):
    """Write the videos of one split."""
    rng = np.random.default_rng(seed)
    for video in range(videos):
        for frame, pair in enumerate(zip(*draw_video(rng), strict=True)):
            for folder, array in zip(('frames', 'labels'), pair, strict=True):
                path = root / folder / f'{video:03d}' / f'{frame}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', nargs='?', default='data', type=Path)
    parser.add_argument('--train', type=int, default=60, help='videos (60)')
    parser.add_argument('--val', type=int, default=20, help='videos (20)')
    args = parser.parse_args()
    write_split(args.folder / 'train', args.train, seed=0)
    write_split(args.folder / 'val', args.val, seed=1)
