"""Write moving shapes of four classes with a long tail, in YTVIS form."""

import argparse
from pathlib import Path

from slotkd.datasets.vis_shapes import write_vis_shapes
from slotkd.engine import OneLineParser, run_command


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


def main() -> None:
    """Write training and validation videos."""
    args = parse_args()
    if min(args.train, args.val, args.frames, args.max_objects) < 1:
        raise ValueError(
            '--train, --val, --frames and --max-objects must be at least 1, '
            f'got {args.train}, {args.val}, {args.frames} and '
            f'{args.max_objects}'
        )
    if args.size < 32:
        raise ValueError(f'--size must be at least 32, got {args.size}')
    written = write_vis_shapes(
        Path(args.out),
        train=args.train,
        val=args.val,
        seed=args.seed,
        num_frames=args.frames,
        size=args.size,
        max_objects=args.max_objects,
    )
    for split, (videos, tracks) in written.items():
        print(f'{split}: {videos} videos, {tracks} tracks')


if __name__ == '__main__':
    run_command(main)
