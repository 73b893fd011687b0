r"""Turn masks in the layout of DAVIS into YTVIS annotations of one class.

Writes for each split <out>/<split>.json and, as mmdet reads it,
<out>/<split>_frames.json. Names of frames are relative to the folder
JPEGImages/<resolution>, where the images stay.

  python tools/dataset_converters/davis_ytvis.py data/DAVIS
"""

import argparse
import json
from pathlib import Path

from mmengine.logging import MMLogger

from slotkd.datasets import VideoFolderDataset
from slotkd.datasets.folder_annotations import folders_as_vis
from slotkd.engine import OneLineParser, run_command, write_atomically
from slotkd.ops.vis_annotations import read_annotations
from slotkd.ops.vis_frames import vis_as_frames


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('root', help='folder of JPEGImages and Annotations')
    parser.add_argument(
        '--out', default='data/davis_vis', help='folder of the files'
    )
    parser.add_argument('--splits', nargs='+', default=['train', 'val'])
    parser.add_argument(
        '--lists', default='ImageSets/2017', help='folder of the splits'
    )
    parser.add_argument('--resolution', default='480p')
    return parser.parse_args()


def main() -> None:
    """Convert the splits."""
    args = parse_args()
    MMLogger.get_current_instance().setLevel('WARNING')
    for split in args.splits:
        dataset = VideoFolderDataset(
            args.root,
            frames_dir=f'JPEGImages/{args.resolution}',
            masks_dir=f'Annotations/{args.resolution}',
            split=f'{args.lists}/{split}.txt',
        )
        content = folders_as_vis(dataset)
        frames = vis_as_frames(read_annotations(content))
        for name, value in (('', content), ('_frames', frames)):
            path = Path(args.out) / f'{split}{name}.json'
            write_atomically(json.dumps(value).encode(), path)
        print(
            f'{split}: {len(content["videos"])} videos, '
            f'{len(content["annotations"])} tracks, '
            f'{len(frames["annotations"])} masks'
        )


if __name__ == '__main__':
    run_command(main)
