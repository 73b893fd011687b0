"""Time of video AP on a set of the size of YTVIS validation.

Tracks are ragged blobs with as many runs as real masks have. Reading the
two JSON files counts, making them does not.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from timing import machine, print_times, take_turns, write_json

from slotkd.evaluation import video_average_precision
from slotkd.ops.rle import encode_mask

POOL = 300  # different masks
TRUE_TRACKS = 5


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--videos', type=int, default=300)
    parser.add_argument('--frames', type=int, default=30)
    parser.add_argument('--predictions', type=int, nargs=2, default=[10, 30])
    parser.add_argument('--size', type=int, nargs=2, default=[360, 640])
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--out', type=Path, help='JSON file of the result')
    return parser.parse_args()


def draw_masks(rng: np.random.Generator, size: list[int]) -> list[dict]:
    """Return encoded blobs whose outlines waver."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    masks = []
    for _ in range(POOL):
        centre = rng.uniform(0.25, 0.75, 2) * size
        dy, dx = y - centre[0], x - centre[1]
        angle = np.arctan2(dy, dx)
        radius = height * rng.uniform(0.05, 0.3)
        for wave in (3, 7, 19):
            phase = rng.uniform(0, 2 * np.pi)
            radius = radius * (1 + 0.1 * np.sin(wave * angle + phase))
        masks.append(encode_mask(np.hypot(dy, dx) < radius))
    return masks


def make_files(args: argparse.Namespace, folder: Path) -> float:
    """Write truth and predictions; return the mean runs of a mask."""
    rng = np.random.default_rng(0)
    masks = draw_masks(rng, args.size)
    height, width = args.size

    def track() -> list[dict]:
        start = rng.integers(POOL)
        return [masks[(start + t) % POOL] for t in range(args.frames)]

    truth: dict = dict(
        videos=[
            dict(id=v, height=height, width=width, length=args.frames)
            for v in range(1, args.videos + 1)
        ],
        categories=[dict(id=c) for c in range(1, 41)],
        annotations=[],
    )
    results = []
    for video in range(1, args.videos + 1):
        kinds = rng.integers(1, 41, TRUE_TRACKS).tolist()
        for kind in kinds:
            truth['annotations'].append(
                dict(
                    id=len(truth['annotations']) + 1,
                    video_id=video,
                    category_id=kind,
                    segmentations=track(),
                )
            )
        low, high = args.predictions
        for _ in range(rng.integers(low, high + 1)):
            results.append(
                dict(
                    video_id=video,
                    category_id=int(rng.choice(kinds)),
                    score=float(rng.random()),
                    segmentations=track(),
                )
            )
    (folder / 'truth.json').write_text(json.dumps(truth))
    (folder / 'results.json').write_text(json.dumps(results))
    return float(np.mean([len(mask['counts']) for mask in masks]))


def main() -> None:
    """Measure."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        characters = make_files(args, folder)
        times = take_turns(
            {
                'video AP': lambda: video_average_precision(
                    folder / 'truth.json', folder / 'results.json'
                )
            },
            args.repeats,
            warmups=0,
        )
        megabytes = (folder / 'results.json').stat().st_size / 1e6
    print_times(times)
    result = dict(
        times=times,
        videos=args.videos,
        frames=args.frames,
        predictions=args.predictions,
        size=args.size,
        characters_per_mask=characters,
        results_mb=megabytes,
        machine=machine('cpu'),
    )
    print(f'{characters:.0f} characters per mask, results {megabytes:.0f} MB')
    write_json(args.out, result)


if __name__ == '__main__':
    main()
