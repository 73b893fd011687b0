"""Train the variants of SSync on moving shapes and print their table.

Every run is a minute or two on one CPU core; finished runs are kept in
``results.json`` of the work directory and skipped when called again.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from slotkd.engine import (
    OneLineParser,
    build_runner,
    load_config,
    run_command,
    write_atomically,
)

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (
    ROOT / 'configs/ssync/ssync_color-narrow_1xb16-500_moving-shapes-32.py'
)
REQUIRED = ('model', 'train_dataloader', 'train_cfg', 'test_dataloader')
NO_MERGE = {'merge': 'none'}
# Name -> options of SSyncLoss; None trains without it.
VARIANTS: dict[str, dict[str, Any] | None] = {
    'base': None,
    '+ boundary': {**NO_MERGE, 'terms': ('bd',)},
    '+ interior': {**NO_MERGE, 'terms': ('nbd',)},
    '+ both': NO_MERGE,
    '+ both, merging': {},
    'reversed roles': {**NO_MERGE, 'reversed_roles': True},
}
SETTINGS = ('iters', 'weight', 'begin', 'iou_thr')
COUNTED = ('base', '+ both, merging')
SCORES = (
    'fg_ari',
    'ari',
    'mbo',
    'agreement_ari',
    'fcc8_attn',
    'fcc8_masks',
    'merged_share',
)


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('--work-dir', default='work_dirs/ablate_ssync')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--iters', type=int, default=500)
    parser.add_argument(
        '--weight', type=float, help="SSync's loss_weight, if not the config's"
    )
    parser.add_argument(
        '--begin',
        type=float,
        default=0.3,
        help='share of the iterations without SSync',
    )
    parser.add_argument('--iou-thr', type=float, default=0.7)
    parser.add_argument(
        '--variants', nargs='+', choices=VARIANTS, default=list(VARIANTS)
    )
    parser.add_argument(
        '--slots',
        type=int,
        nargs='+',
        default=[7, 10, 14],
        help='slot counts; the variants at the first, base and SSync at all',
    )
    return parser.parse_args()


def planned(variants: list[str], slots: list[int]) -> list[tuple[str, int]]:
    """Return variant and slot count of each row of the table."""
    rows = [(name, slots[0]) for name in variants]
    return rows + [(name, count) for count in slots[1:] for name in COUNTED]


def run_config(
    name: str, slots: int, seed: int, args: argparse.Namespace
) -> Config:
    """Return the config of one run."""
    iters = args.iters
    cfg = load_config(str(CONFIG))
    cfg.randomness.seed = seed
    cfg.train_dataloader.dataset.seed = 1000 + seed
    cfg.model.initializer.num_slots = slots
    cfg.model.keep_maps = True
    options = VARIANTS[name]
    if options is None:
        cfg.model.losses.pop('ssync')
    else:
        cfg.model.losses.ssync.update(
            options, iou_thr=args.iou_thr, begin=round(args.begin * iters)
        )
        if args.weight is not None:
            cfg.model.losses.ssync.loss_weight = args.weight
    cfg.train_cfg.max_iters = iters
    cfg.train_cfg.val_interval = iters
    cfg.param_scheduler[1].end = iters
    cfg.default_hooks.checkpoint.interval = iters
    diagnostics = {
        'type': 'SSyncDiagnostics',
        'ssync': {'type': 'SSyncLoss', 'iou_thr': args.iou_thr},
    }
    cfg.test_evaluator = [cfg.test_evaluator, diagnostics]
    return cfg


def run(cfg: Config, work_dir: Path) -> dict[str, float]:
    """Train and test one variant."""
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'{work_dir.name}-{time.time_ns()}'
    runner = build_runner(cfg, REQUIRED)
    runner.train()
    return {key: float(value) for key, value in runner.test().items()}


def table(results: dict[str, Any], rows: list[tuple[str, int]]) -> str:
    """Return mean and standard deviation over seeds as a Markdown table."""
    lines = [
        '| variant | slots | ' + ' | '.join(SCORES) + ' |',
        '| --- ' * (len(SCORES) + 2) + '|',
    ]
    for name, slots in rows:
        runs = list(results.get(f'{name}, {slots} slots', {}).values())
        cells = [_spread([run[key] for run in runs]) for key in SCORES]
        lines.append(f'| {name} | {slots} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _spread(values: list[float]) -> str:
    if not values:
        return '-'
    scale = 100 if max(values) <= 1 else 1
    spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f'{scale * np.mean(values):.1f} ± {scale * spread:.1f}'


def kept_results(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the results of earlier calls with the same settings."""
    if not path.is_file():
        return {'settings': settings, 'runs': {}}
    results = json.loads(path.read_text())
    if results['settings'] != settings:
        raise ValueError(
            f'{path} holds runs with {results["settings"]}, this call has '
            f'{settings}; choose another --work-dir'
        )
    return results


def main() -> None:
    """Run what is not yet in the results, seed by seed."""
    args = parse_args()
    work_dir = Path(args.work_dir)
    path = work_dir / 'results.json'
    settings = {key: getattr(args, key) for key in SETTINGS}
    results = kept_results(path, settings)
    rows = planned(args.variants, args.slots)
    for seed in args.seeds:
        for name, slots in rows:
            kept = results['runs'].setdefault(f'{name}, {slots} slots', {})
            if str(seed) in kept:
                continue
            cfg = run_config(name, slots, seed, args)
            folder = f'{name}-{slots}-seed{seed}'.replace(' ', '_')
            kept[str(seed)] = run(cfg, work_dir / folder)
            write_atomically(json.dumps(results, indent=1).encode(), path)
            print(f'{name}, {slots} slots, seed {seed}: {kept[str(seed)]}')
    print(table(results['runs'], rows))


if __name__ == '__main__':
    run_command(main)
