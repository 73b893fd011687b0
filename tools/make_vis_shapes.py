"""Write moving shapes of four classes with a long tail, in YTVIS form."""

import argparse
import json
from pathlib import Path
from typing import Any

from slotkd.datasets.vis_shapes import LONG_TAIL, VisScene, vis_shapes
from slotkd.engine import OneLineParser, run_command, write_atomically
from slotkd.ops.vis_annotations import read_annotations
from slotkd.ops.vis_frames import vis_as_frames


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('out', help='folder of the data set')
    parser.add_argument('--train', type=int, default=400, help='videos')
    parser.add_argument('--val', type=int, default=80, help='videos')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--frames', type=int, default=12)
    parser.add_argument('--size', type=int, default=64)
    parser.add_argument('--max-objects', type=int, default=4)
    return parser.parse_args()


def save(content: Any, path: Path) -> None:
    """Write JSON as a whole or not at all."""
    write_atomically(json.dumps(content).encode(), path)


def main() -> None:
    """Write ``<split>.json``, ``<split>_frames.json`` and the frames.

    Training videos have classes at 100:30:10:3; of the validation videos all
    classes are equally frequent, so that the AP of the rarest is not decided
    by a handful of tracks.
    """
    args = parse_args()
    if min(args.train, args.val, args.frames, args.max_objects) < 1:
        raise ValueError(
            '--train, --val, --frames and --max-objects must be at least 1, '
            f'got {args.train}, {args.val}, {args.frames} and '
            f'{args.max_objects}'
        )
    if args.size < 32:
        raise ValueError(f'--size must be at least 32, got {args.size}')
    out = Path(args.out)
    for split, count, frequencies in (
        ('train', args.train, LONG_TAIL),
        ('val', args.val, (1, 1, 1, 1)),
    ):
        scene = VisScene(
            num_frames=args.frames,
            size=args.size,
            max_objects=args.max_objects,
            frequencies=frequencies,
        )
        seed = 2 * args.seed + (split == 'val')
        content = vis_shapes(seed, count, scene, out / 'frames', split)
        save(content, out / f'{split}.json')
        truth = read_annotations(content)
        save(vis_as_frames(truth), out / f'{split}_frames.json')
        tracks = len(content['annotations'])
        print(f'{split}: {count} videos, {tracks} tracks')


if __name__ == '__main__':
    run_command(main)
