"""Train the model of a config."""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import is_cuda_available
from mmengine.logging import print_log

from slotkd.engine import (
    build_runner,
    require_file,
    run_command,
    run_config,
    run_parser,
)

REQUIRED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = run_parser(__doc__)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CKPT',
        help='go on from CKPT, or from the newest one in the work directory',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision (bfloat16)'
    )
    return parser.parse_args()


def use_amp(cfg: Config) -> None:
    """Switch the optimiser wrapper to mixed precision where there is any."""
    if not is_cuda_available():
        print_log(
            '--amp needs a CUDA device and there is none: training in fp32',
            logger='current',
            level=logging.WARNING,
        )
        return
    wrapper = cfg.optim_wrapper
    if wrapper.get('type', 'OptimWrapper') not in (
        'OptimWrapper',
        'AmpOptimWrapper',
    ):
        raise ValueError(
            f'--amp replaces OptimWrapper, but {cfg.filename} has '
            f'optim_wrapper.type {wrapper.type!r}'
        )
    wrapper.type = 'AmpOptimWrapper'
    wrapper.setdefault('dtype', 'bfloat16')
    if wrapper.dtype == 'bfloat16':
        # It has the range of fp32; a growing factor would overflow.
        wrapper.setdefault('loss_scale', 1.0)
    elif wrapper.get('clip_grad'):
        # The loss scaler finds its factor by skipping such steps.
        wrapper.clip_grad.pop('error_if_nonfinite', None)


def warn_of_new_run(cfg: Config) -> None:
    """Say so where resuming finds nothing to go on from."""
    if cfg.get('resume') and cfg.get('load_from') is None:
        if not Path(cfg.work_dir, 'last_checkpoint').is_file():
            print_log(
                f'no checkpoint in {cfg.work_dir}: starting at iteration 0',
                logger='current',
                level=logging.WARNING,
            )


def named_checkpoints(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield key and value of each checkpoint that a model config names."""
    if isinstance(node, list | tuple):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        where = f'{path}.{key}'
        if str(key).endswith('checkpoint') and isinstance(value, str):
            yield where, value
        else:
            yield from named_checkpoints(value, where)


def main() -> None:
    """Train."""
    args = parse_args()
    cfg = run_config(args)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if cfg.get('load_from') is not None:
        require_file(cfg.load_from, 'checkpoint')
    for where, path in named_checkpoints(cfg.get('model'), 'model'):
        require_file(path, f'{args.config}: {where}')
    if args.amp:
        use_amp(cfg)
    runner = build_runner(cfg, REQUIRED)
    warn_of_new_run(cfg)
    runner.train()


if __name__ == '__main__':
    run_command(main)
