"""Time the making of physics scenes, in frames per second of one core."""

import argparse
import time
from pathlib import Path

from timing import machine, write_json

from slotkd.apis.scene_files import npz_files
from slotkd.apis.scene_sets import SceneOrder
from slotkd.datasets.physics_scenes import LEVELS
from slotkd.engine import OneLineParser


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument(
        '--levels', nargs='+', choices=LEVELS, default=list(LEVELS)
    )
    parser.add_argument('--videos', type=int, default=10)
    parser.add_argument('--frames', type=int, default=24)
    parser.add_argument('--size', type=int, default=128)
    parser.add_argument('--out', type=Path, help='JSON file of the result')
    return parser.parse_args()


def seconds_of(order: SceneOrder, index: int) -> dict[str, float]:
    """Make and encode one video; return its wall and processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    npz_files(order.name(index), order.arrays(index))
    return dict(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


def measure(order: SceneOrder, num_videos: int) -> dict[str, float]:
    """Return frames per second: over all videos, and of the fastest.

    One video more is made first, so that neither imports nor caches count.
    """
    seconds_of(order, num_videos)
    times = [seconds_of(order, index) for index in range(num_videos)]
    rates = {}
    for kind in ('wall', 'cpu'):
        each = [seconds[kind] for seconds in times]
        rates[f'{kind}_frames_per_s'] = order.frames * num_videos / sum(each)
        rates[f'{kind}_frames_per_s_best'] = order.frames / min(each)
    return rates


def main() -> None:
    """Measure and write."""
    args = parse_args()
    levels = {}
    for level in args.levels:
        order = SceneOrder(
            level=level,
            seed=0,
            split='train',
            frames=args.frames,
            size=args.size,
        )
        levels[level] = measure(order, args.videos)
        text = ', '.join(f'{k} {v:.1f}' for k, v in levels[level].items())
        print(f'level {level}: {text}')
    facts = {key: value for key, value in vars(args).items() if key != 'out'}
    write_json(args.out, dict(facts, machine=machine('cpu'), levels=levels))


if __name__ == '__main__':
    main()
