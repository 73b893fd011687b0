r"""Pack the videos of a config into SlotContrast's tar archives.

Reads any data set of videos (YTVIS, OVIS, DAVIS, COCO, folders) and writes
<out>/<name>-000000.tar and so on, with <out>/<name>.json beside them: the
parameters, the size of every video, checksums. Frames are stored as pixels:
reading them needs no decoding, and much more room. A run that was stopped
goes on; archives that are there and whole are kept. Every archive is read
back before it gets its name.

  python tools/dataset_converters/video_tars.py \
      configs/_base_/datasets/ytvis2021.py --split val \
      --out data/ytvis2021_tars --name ytvis-validation --masks channels \
      --videos-per-shard 10
"""

import argparse
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

import slotkd
from slotkd.datasets import ResizeVideo, VideoDataset, YTVISDataset
from slotkd.datasets.spatial_transforms import INTERPOLATIONS, resize_nearest
from slotkd.datasets.tar_writer import Arrays, TarSet
from slotkd.engine import (
    OneLineParser,
    check_config,
    load_config,
    run_command,
)
from slotkd.engine.progress import progress_bar
from slotkd.ops.rle import decode_mask
from slotkd.registry import DATASETS

MASKS = ('labels', 'channels', 'none')
# What chooses clips; archives hold whole videos.
CLIPS = ('clip_len', 'clip_mode', 'frame_stride', 'skip_short')


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config with the data set')
    parser.add_argument(
        '--split', choices=('train', 'val', 'test'), default='train'
    )
    parser.add_argument('--out', required=True, help='folder of the archives')
    parser.add_argument('--name', required=True, help='as in ytvis-train')
    parser.add_argument('--videos-per-shard', type=int, default=32)
    parser.add_argument(
        '--masks',
        choices=MASKS,
        default='labels',
        help='one map of instance ids (MOVi, DAVIS); one channel for each '
        'instance with its category id (YTVIS, OVIS, COCO); or none',
    )
    parser.add_argument(
        '--short-side', type=int, help='resize so (default: as on disk)'
    )
    parser.add_argument(
        '--interpolation', choices=INTERPOLATIONS, default='bicubic'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='K=V'
    )
    return parser.parse_args()


def build(cfg: Config, split: str, masks: str) -> VideoDataset:
    """Build the data set of a split, of whole videos and without transforms.

    Raises:
        ValueError: If it is none of videos, or cannot give such masks.
    """
    loader = cfg.get(f'{split}_dataloader')
    if loader is None:
        raise ValueError(f'{cfg.filename} has no {split}_dataloader')
    config = {k: v for k, v in loader.dataset.items() if k not in CLIPS}
    cls = DATASETS.get(config['type'])
    known = inspect.signature(cls).parameters if cls else {}
    if 'with_masks' in known:
        config['with_masks'] = masks != 'none'
    elif masks == 'none' and 'masks_dir' in known:
        config['masks_dir'] = None
    dataset = DATASETS.build(dict(config, pipeline=[]))
    kind = type(dataset).__name__
    if not isinstance(dataset, VideoDataset):
        raise ValueError(f'{kind} holds no videos to pack')
    if masks == 'channels' and not isinstance(dataset, YTVISDataset):
        raise ValueError(f'{kind} has no categories; use --masks labels')
    return dataset


def channels(dataset: YTVISDataset, video: dict) -> np.ndarray:
    """Return a channel of category ids for each instance, crowds left out."""
    tracks = [t for t in dataset.read_tracks(video) if not t.is_crowd]
    size = tuple(video['size'])
    count = max(len(tracks), 1)
    maps = np.zeros((video['video_length'], *size, count), np.uint8)
    for column, track in enumerate(tracks):
        if not 0 < int(track.category_id) < 256:
            raise ValueError(
                f'annotation {track.id}: category {track.category_id} does '
                'not fit 8 bits'
            )
        for t, segmentation in enumerate(track.segmentations):
            mask = decode_mask(segmentation, size, frame=t)
            maps[t, mask, column] = track.category_id
    return maps


def read(
    dataset: VideoDataset, index: int, args: argparse.Namespace
) -> tuple[str, Arrays]:
    """Return key and arrays of one video.

    Raises:
        ValueError: If it has no masks, or labels that do not fit 8 bits.
    """
    video = dataset.video_info(index)
    key, ids = video['video_id'], range(video['video_length'])
    frames, masks = dataset.read_frames(video, ids), None
    if args.masks == 'channels':
        masks = list(channels(dataset, video))
    elif args.masks == 'labels':
        masks = dataset.read_masks(video, ids)
        if masks is None:
            raise ValueError(f'video {key} has no masks; use --masks none')
        if max(int(mask.max()) for mask in masks) > 255:
            raise ValueError(f'video {key} has labels above 255')
    if args.short_side is not None:
        resize = ResizeVideo(
            short_side=args.short_side, interpolation=args.interpolation
        )
        shape = frames[0].shape[:2]
        frames = resize(dict(img=frames, ori_shape=shape))['img']
    shape = frames[0].shape[:2]
    arrays = dict(video=np.stack(frames))
    if masks is not None:
        stack = np.stack([resize_nearest(mask, shape) for mask in masks])
        stack = stack.astype(np.uint8)
        arrays['segmentations'] = stack.reshape(*stack.shape[:3], -1)
    return key, arrays


def facts(args: argparse.Namespace, dataset: VideoDataset) -> dict[str, Any]:
    """Return what the archives depend on, for the JSON beside them."""
    return dict(
        tool='slotkd video_tars',
        version=slotkd.__version__,
        dataset=type(dataset).__name__,
        split=args.split,
        masks=args.masks,
        short_side=args.short_side,
        interpolation=args.interpolation if args.short_side else None,
        videos_per_shard=args.videos_per_shard,
    )


def main() -> None:
    """Convert."""
    args = parse_args()
    if args.videos_per_shard < 1:
        raise ValueError(
            f'--videos-per-shard must be 1 or more: {args.videos_per_shard}'
        )
    cfg = load_config(args.config, args.cfg_options)
    cfg.default_scope = cfg.get('default_scope') or 'slotkd'
    check_config(cfg)
    init_default_scope(cfg.default_scope)
    MMLogger.get_current_instance().setLevel('WARNING')
    dataset = build(cfg, args.split, args.masks)
    keys = [dataset.video_info(i)['video_id'] for i in range(len(dataset))]
    tars = TarSet(args.out, args.name, facts(args, dataset))
    kept = 0
    with progress_bar(len(keys)) as advance:

        def videos(indices: range) -> Iterator[tuple[str, Arrays]]:
            for index in indices:
                yield read(dataset, index, args)
                advance(1)

        for first in range(0, len(keys), args.videos_per_shard):
            part = range(first, min(first + args.videos_per_shard, len(keys)))
            shard = first // args.videos_per_shard
            if tars.is_done(shard, [keys[i] for i in part]):
                kept += 1
                advance(len(part))
            else:
                tars.write(shard, videos(part))
    print(
        f'{len(keys)} videos in {len(tars.shards)} archives, {kept} of them '
        f'kept; {tars.path}'
    )


if __name__ == '__main__':
    run_command(main)
