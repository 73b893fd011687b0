"""Segment a video file, a folder of frames or an image with a checkpoint.

With ``--task vos``, follow objects that masks or a slot model name.
"""

import argparse

from mmengine.config import Config, DictAction
from mmengine.device import get_device

from slotkd.apis import SlotInferencer, SlotProposer, VosInferencer
from slotkd.apis.frame_sources import open_source
from slotkd.apis.mask_sources import open_masks
from slotkd.apis.result_folder import check_out_dir
from slotkd.engine import (
    OneLineParser,
    check_config,
    load_config,
    require_file,
    run_command,
)
from slotkd.structures import VideoDataSample


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
        'an earlier result there is replaced. With --task vos the masks '
        '(index = object, 0 background) lie beside the other two',
    )
    parser.add_argument(
        '--task',
        choices=['slots', 'vos'],
        default='slots',
        help='slots: find them; vos: follow given objects (%(default)s)',
    )
    parser.add_argument(
        '--masks',
        help='vos: label image of the first frame, or folder of label images '
        'named as their frames; an object begins at the first',
    )
    parser.add_argument(
        '--propose',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='vos: instead of --masks, a slot model that proposes the '
        'objects of the first frame',
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
    args = parser.parse_args()
    if args.task == 'vos' and (args.masks is None) == (args.propose is None):
        parser.error('--task vos takes either --masks or --propose')
    if args.task == 'slots' and (args.masks or args.propose):
        parser.error('--masks and --propose belong to --task vos')
    return args


def segment(
    args: argparse.Namespace, cfg: Config
) -> tuple[VideoDataSample, str]:
    """Find slots; return the sample, and what was found."""
    inferencer = SlotInferencer(
        cfg, args.checkpoint, args.device, show_progress=True
    )
    results = inferencer(
        args.input, args.batch_size, args.out_dir, return_masks=False
    )
    (sample,) = results['predictions']
    return sample, f'in {sample.num_slots} slots'


def follow(
    args: argparse.Namespace, cfg: Config
) -> tuple[VideoDataSample, str]:
    """Follow objects; return the sample, and what was followed."""
    masks = args.masks
    if masks is not None:
        open_masks(masks)
    else:
        config, checkpoint = args.propose
        require_file(checkpoint, 'checkpoint')
        slots = load_config(config)
        check_config(slots, ('model', 'test_pipeline'))
        masks = SlotProposer(SlotInferencer(slots, checkpoint, args.device))
    inferencer = VosInferencer(
        cfg, args.checkpoint, args.device, show_progress=True
    )
    results = inferencer(args.input, masks, args.out_dir, return_masks=False)
    (sample,) = results['predictions']
    return sample, f'with {len(sample.objects)} objects'


def main() -> None:
    """Segment or follow."""
    args = parse_args()
    open_source(args.input)
    check_out_dir(args.out_dir, is_flat=args.task == 'vos')
    require_file(args.checkpoint, 'checkpoint')
    cfg = load_config(args.config, args.cfg_options)
    check_config(cfg, ('model', 'test_pipeline'))
    run = segment if args.task == 'slots' else follow
    sample, what = run(args, cfg)
    print(
        f'{args.out_dir}: {sample.frames} frames of {sample.size[1]}x'
        f'{sample.size[0]} {what}, {sample.frames_per_s:.1f} frames/s'
    )


if __name__ == '__main__':
    run_command(main)
