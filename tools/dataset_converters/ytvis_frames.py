"""Turn YTVIS or OVIS annotations into those of frames, which mmdet reads."""

import argparse
import json
from pathlib import Path

from slotkd.engine import (
    OneLineParser,
    require_file,
    require_writable,
    run_command,
    write_atomically,
)
from slotkd.ops.vis_annotations import (
    errors_naming,
    load_json,
    read_annotations,
)
from slotkd.ops.vis_frames import vis_as_frames


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('source', help='train.json, valid.json or the like')
    parser.add_argument(
        '--out', help='file to write (default: <source>_frames.json beside it)'
    )
    return parser.parse_args()


def main() -> None:
    """Convert one file; official test files have no annotations."""
    args = parse_args()
    require_file(args.source, 'source')
    source = Path(args.source)
    out = Path(args.out or source.with_name(f'{source.stem}_frames.json'))
    require_writable(out)
    content = load_json(source)
    annotated = isinstance(content, dict) and bool(content.get('annotations'))
    with errors_naming(source):
        if isinstance(content, dict) and not annotated:
            content = {**content, 'annotations': []}
        frames = vis_as_frames(read_annotations(content))
    write_atomically(json.dumps(frames).encode(), out)
    print(
        f'{out}: {len(frames["videos"])} videos, {len(frames["images"])} '
        f'frames, {len(frames["annotations"])} masks'
    )


if __name__ == '__main__':
    run_command(main)
