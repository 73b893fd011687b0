"""Write the videos of MovingTexturedShapes in the layout of DAVIS."""

import argparse
import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from slotkd.datasets import MovingTexturedShapes
from slotkd.engine import (
    OneLineParser,
    encode_label_png,
    run_command,
    write_atomically,
)

FRAMES, MASKS = 'JPEGImages/480p', 'Annotations/480p'


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('out', type=Path, help='root of the data set')
    parser.add_argument('--split', default='train', help='name of the list')
    parser.add_argument('--num-videos', type=int, default=60)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--num-frames', type=int, default=12)
    parser.add_argument('--size', type=int, default=96)
    parser.add_argument(
        '--quality', type=int, default=95, help='of the JPEG frames'
    )
    return parser.parse_args()


def encode_jpeg(frame: UInt8[np.ndarray, 'H W 3'], quality: int) -> bytes:
    """Encode a frame."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format='JPEG', quality=quality)
    return buffer.getvalue()


def write_file(content: bytes, path: Path) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(content, path)


def main() -> None:
    """Write the videos, and at last the list that names them."""
    args = parse_args()
    listing = args.out / 'ImageSets' / '2017' / f'{args.split}.txt'
    if listing.exists():
        raise ValueError(f'{listing} exists; name another split or folder')
    if not 1 <= args.quality <= 100:
        raise ValueError(f'--quality must be 1 to 100, got {args.quality}')
    videos = MovingTexturedShapes(
        args.num_videos,
        args.seed,
        num_frames=args.num_frames,
        size=args.size,
    )
    names = []
    for index in range(len(videos)):
        video = videos[index]
        names.append(video['video_id'])
        pairs = zip(video['img'], video['gt_seg_map'], strict=True)
        for t, (frame, mask) in enumerate(pairs):
            stem = Path(names[-1]) / f'{t:05d}'
            jpeg = encode_jpeg(frame, args.quality)
            write_file(jpeg, args.out / FRAMES / f'{stem}.jpg')
            png = encode_label_png(mask)
            write_file(png, args.out / MASKS / f'{stem}.png')
    write_file('\n'.join([*names, '']).encode(), listing)


if __name__ == '__main__':
    run_command(main)
