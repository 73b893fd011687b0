r"""Make videos of physics scenes: pixels, instance masks, depth and flow.

Coloured and patterned objects are thrown onto a floor, filmed by a camera
that stands or moves. Levels a, c and e are modelled on MOVi-A, -C and -E. A
command that was stopped goes on where it was; videos that are there are
checked and kept.

  python tools/make_scenes.py data/scenes --level a --videos 256
  python tools/make_scenes.py data/scenes --level a --videos 32 --split val
"""

import argparse
import os

from slotkd.apis.scene_sets import LAYOUTS, SceneOrder, open_scenes
from slotkd.datasets.physics_scenes import LEVELS
from slotkd.engine import OneLineParser, run_command
from slotkd.engine.progress import progress_bar

SPLITS = dict(train='train', val='validation')


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('out', help='folder of the videos')
    parser.add_argument('--level', choices=LEVELS, required=True)
    parser.add_argument('--videos', type=int, required=True, metavar='N')
    parser.add_argument(
        '--frames', type=int, default=24, help='of a video (%(default)s)'
    )
    parser.add_argument(
        '--size', type=int, default=128, help='side in pixels (%(default)s)'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='which videos (%(default)s)'
    )
    parser.add_argument(
        '--split',
        choices=SPLITS,
        default='train',
        help='splits of one seed share no scene (%(default)s)',
    )
    parser.add_argument(
        '--layout',
        choices=LAYOUTS,
        default='npz',
        help='tar: archives as of SlotContrast. davis: frames and masks as '
        'images. npz: an archive for each video (%(default)s)',
    )
    parser.add_argument(
        '--no-maps', action='store_true', help='leave out depth and flow'
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='processes; changes nothing but time (%(default)s)',
    )
    return parser.parse_args()


def main() -> None:
    """Make the videos."""
    args = parse_args()
    order = SceneOrder(
        level=args.level,
        seed=args.seed,
        split=SPLITS[args.split],
        frames=args.frames,
        size=args.size,
        maps=not args.no_maps,
    )
    if args.workers < 1:
        raise ValueError(f'need workers >= 1, got workers={args.workers}')
    try:
        scenes = open_scenes(args.out, args.layout, order, args.videos)
    except ImportError as error:
        raise ValueError(str(error)) from error
    missing = len(scenes.missing)
    if missing:
        with progress_bar(missing) as advance:
            scenes.write(args.workers, advance)
    print(
        f'{args.out}: {args.videos} videos, {args.videos - missing} of them '
        'kept'
    )


if __name__ == '__main__':
    run_command(main)
