"""Segment a video file, a folder of frames or an image with a checkpoint."""

import argparse

from mmengine.config import DictAction
from mmengine.device import get_device

from slotkd.apis import SlotInferencer
from slotkd.apis.frame_sources import open_source
from slotkd.apis.result_folder import check_out_dir
from slotkd.engine import (
    OneLineParser,
    check_config,
    load_config,
    require_file,
    run_command,
)


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('config', help='config of the model or its run')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('input', help='video file, folder of frames or image')
    parser.add_argument(
        '--out-dir',
        required=True,
        help='new or empty folder for masks/<frame>.png (index = slot; 255: '
        'not seen, cropped by test_pipeline), overlay.mp4 and summary.json; '
        'an earlier result there is replaced',
    )
    parser.add_argument(
        '--device', default=get_device(), help='default: %(default)s'
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        default=8,
        help='frames that go through the network at once (%(default)s); '
        'bounds memory, does not change the result',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='K=V',
        help='replace values of the config, as in a.b=1 list.0.key=2',
    )
    return parser.parse_args()


def main() -> None:
    """Segment."""
    args = parse_args()
    open_source(args.input)
    check_out_dir(args.out_dir)
    require_file(args.checkpoint, 'checkpoint')
    cfg = load_config(args.config, args.cfg_options)
    check_config(cfg, ('model', 'test_pipeline'))
    inferencer = SlotInferencer(
        cfg, args.checkpoint, args.device, show_progress=True
    )
    results = inferencer(
        args.input, args.batch_size, args.out_dir, return_masks=False
    )
    (sample,) = results['predictions']
    print(
        f'{args.out_dir}: {sample.frames} frames of {sample.size[1]}x'
        f'{sample.size[0]} in {sample.num_slots} slots, '
        f'{sample.frames_per_s:.1f} frames/s'
    )


if __name__ == '__main__':
    run_command(main)
