"""Draw strips of physics scenes, their masks below, as one PNG."""

import argparse
from pathlib import Path

import numpy as np

from slotkd.datasets.physics_scenes import LEVELS
from slotkd.datasets.physics_scenes_video import make_scene_video
from slotkd.engine import (
    OneLineParser,
    contact_sheet,
    draw_labels,
    encode_png,
    require_writable,
    run_command,
    write_atomically,
)


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('level', choices=LEVELS)
    parser.add_argument('out', help='PNG file')
    parser.add_argument('--videos', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--size', type=int, default=128)
    parser.add_argument('--columns', type=int, default=6)
    return parser.parse_args()


def main() -> None:
    """Draw some frames of some videos."""
    args = parse_args()
    if args.columns < 1 or min(args.videos) < 0:
        raise ValueError(
            'need columns >= 1 and videos >= 0, got '
            f'columns={args.columns} and videos={args.videos}'
        )
    require_writable(args.out)
    times = np.linspace(0, 23, args.columns).astype(int)
    panels, rows = [], []
    for index in args.videos:
        made = make_scene_video(
            args.level, args.seed, 'train', index, size=args.size
        )
        labels = made.segmentations[..., 0]
        panels.append([made.video[t] for t in times])
        panels.append(
            [draw_labels(made.video[t], labels[t], clear=[0]) for t in times]
        )
        rows += [str(index), 'mask']
    sheet = contact_sheet(
        panels,
        columns=[f'frame {t}' for t in times],
        rows=rows,
        title=f'Level {args.level.upper()}, seed {args.seed}',
    )
    write_atomically(encode_png(sheet), Path(args.out))


if __name__ == '__main__':
    run_command(main)
