"""Train a segmentor alone and distilled on shapes; print the table of mIoU.

One teacher is trained first; each other run takes a minute or two on one CPU
core. Finished runs are kept in ``results.json`` of the work directory and
skipped when called again.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner

from slotkd.engine import (
    OneLineParser,
    load_config,
    run_command,
    write_atomically,
)

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'mmseg'
TEACHER = 'supervised_resnet-wide_1xb16-800_shapes-64'
ALONE = 'supervised_resnet-narrow_1xb16-400_shapes-64'
DISTILLED = 'seg-distill_resnet-narrow_from-resnet-wide_1xb16-400_shapes-64'
SSYNC = f'ssync-{DISTILLED}'
# Row of the table -> config, and the terms of it that are left out.
VARIANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    'alone': (ALONE, ()),
    'KL': (DISTILLED, ('cwd',)),
    'KL + CWD': (DISTILLED, ()),
    'KL + CWD + SSync': (SSYNC, ()),
}
SCORES = ('mIoU', 'mAcc', 'aAcc')


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('--work-dir', default='work_dirs/ablate_seg')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--iters', type=int, default=400)
    parser.add_argument('--teacher-iters', type=int, default=800)
    parser.add_argument(
        '--images', type=int, default=1000, help='training images'
    )
    parser.add_argument('--test-images', type=int, default=200)
    return parser.parse_args()


def prepared(
    name: str, iters: int, seed: int, args: argparse.Namespace
) -> Config:
    """Return a config with the length, seed and data of a run."""
    cfg = load_config(str(CONFIGS / f'{name}.py'))
    cfg.randomness = {'seed': seed}
    root = str(Path(args.work_dir) / 'data')
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.data_root = root
        images = args.images if split == 'train' else args.test_images
        cfg[f'{split}_dataloader'].dataset.num_images = images
    cfg.train_cfg.update(max_iters=iters, val_interval=iters)
    warm_up, decay = cfg.param_scheduler
    warm_up.end = decay.begin = max(1, iters // 10)
    decay.end = iters
    cfg.default_hooks.checkpoint.interval = iters
    cfg.default_hooks.pop('visualization')
    return cfg


def run_config(
    variant: str, teacher: Path, seed: int, args: argparse.Namespace
) -> Config:
    """Return the config of one run of a student."""
    name, left_out = VARIANTS[variant]
    cfg = prepared(name, args.iters, seed, args)
    if 'teacher' in cfg.model:
        cfg.model.teacher_checkpoint = str(teacher)
        for term in left_out:
            cfg.model.distill_losses.pop(term)
        for term in cfg.model.get('losses', {}).values():
            term.update(begin=3 * args.iters // 10, ramp=args.iters // 5)
    return cfg


def run(cfg: Config, work_dir: Path) -> dict[str, float]:
    """Train and test one model, as mmsegmentation's tools do."""
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'{work_dir.name}-{time.time_ns()}'
    start = time.process_time()
    runner = Runner.from_cfg(cfg)
    runner.train()
    scores = {key: float(value) for key, value in runner.test().items()}
    return {**scores, 'cpu_s': time.process_time() - start}


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return mean and standard deviation over seeds as a Markdown table."""
    lines = [
        '| variant | seeds | ' + ' | '.join(SCORES) + ' |',
        '| --- ' * (len(SCORES) + 2) + '|',
    ]
    for name, runs in results.items():
        cells = [spread([run[key] for run in runs.values()]) for key in SCORES]
        lines.append(f'| {name} | {len(runs)} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def spread(values: list[float]) -> str:
    """Return mean and sample standard deviation; of one value the value."""
    if len(values) == 1:
        return f'{values[0]:.1f}'
    return f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}'


def main() -> None:
    """Run what is not yet in the results, seed by seed."""
    args = parse_args()
    work_dir = Path(args.work_dir)
    path = work_dir / 'results.json'
    results = json.loads(path.read_text()) if path.is_file() else {}
    teacher = work_dir / 'teacher' / f'iter_{args.teacher_iters}.pth'
    jobs = [('teacher', 0)]
    jobs += [(name, seed) for seed in args.seeds for name in VARIANTS]
    for name, seed in jobs:
        kept = results.setdefault(name, {})
        if str(seed) in kept:
            continue
        if name == 'teacher':
            cfg = prepared(TEACHER, args.teacher_iters, seed, args)
            folder = teacher.parent
        else:
            cfg = run_config(name, teacher, seed, args)
            folder = work_dir / f'{name}-seed{seed}'.replace(' ', '')
        kept[str(seed)] = run(cfg, folder)
        write_atomically(json.dumps(results, indent=1).encode(), path)
        print(f'{name}, seed {seed}: {kept[str(seed)]}', flush=True)
    print(table(results))


if __name__ == '__main__':
    run_command(main)
