"""Evaluate a checkpoint on the test data of a config."""

import argparse
import json
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process

from slotkd.apis.weights import reading_weights_only
from slotkd.engine import (
    build_runner,
    load_config,
    require_file,
    require_writable,
    run_command,
    run_config,
    run_parser,
    write_atomically,
)
from slotkd.engine.type_lookup import arguments, find_classes

REQUIRED = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = run_parser(__doc__)
    parser.add_argument('checkpoint', help='weights to evaluate')
    parser.add_argument(
        '--out', metavar='FILE.json', help='write metric name -> float here'
    )
    parser.add_argument('--show-dir', help='draw the masks of the videos here')
    parser.add_argument(
        '--protocol',
        metavar='CONFIG2',
        help='take test data and metrics from this config',
    )
    return parser.parse_args()


def use_protocol(cfg: Config, path: str, options: dict | None) -> None:
    """Take over what another config says about testing.

    Args:
        cfg: The config of the model; changed.
        path: A config with ``test_evaluator`` and usually
            ``test_dataloader``, as in ``configs/_base_/protocols``.
        options: Of the command line; they win over both.

    Raises:
        ValueError: If it says nothing about testing.
    """
    other = load_config(path)
    if other.get('test_evaluator') is None:
        raise ValueError(f'--protocol {path} has no test_evaluator')
    for name in ('test_dataloader', 'test_evaluator', 'test_pipeline'):
        if name in other:
            cfg[name] = other[name]
    cfg.merge_from_dict(options or {})


def draw_into(cfg: Config, folder: str) -> None:
    """Have the config's visualization hook draw everything into a folder.

    Raises:
        ValueError: If the hook is neither like slotkd's nor like mmseg's.
    """
    hooks = dict(cfg.get('default_hooks') or {})
    hook = dict(
        hooks.get('visualization') or {'type': 'slotkd.SlotVisualizationHook'}
    )
    scope = hook.get('_scope_') or cfg.get('default_scope') or 'mmengine'
    taken = set()
    for cls in find_classes(hook['type'], scope):
        taken |= arguments(cls) or set()
    if 'out_dir' in taken:
        hook.update(interval=1, out_dir=folder)
    elif 'draw' in taken and cfg.get('visualizer') is not None:
        hook.update(interval=1, draw=True)
        cfg.visualizer.save_dir = folder
    else:
        raise ValueError(
            f'--show-dir: default_hooks.visualization {hook["type"]!r} takes '
            "no 'out_dir', and no 'draw' with a visualizer in the config"
        )
    cfg.default_hooks = {**hooks, 'visualization': hook}


def main() -> None:
    """Evaluate."""
    args = parse_args()
    require_file(args.checkpoint, 'checkpoint')
    if args.out is not None:
        if Path(args.out).suffix != '.json':
            raise ValueError(f'--out must name a .json file, got {args.out}')
        require_writable(args.out)
    cfg = run_config(args)
    if args.protocol is not None:
        use_protocol(cfg, args.protocol, args.cfg_options)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.show_dir is not None:
        draw_into(cfg, os.path.abspath(args.show_dir))
    runner = build_runner(cfg, REQUIRED)
    with reading_weights_only():
        metrics = runner.test()
    if args.out is not None and is_main_process():
        text = json.dumps({k: float(v) for k, v in metrics.items()}, indent=2)
        write_atomically(f'{text}\n'.encode(), args.out)


if __name__ == '__main__':
    run_command(main)
