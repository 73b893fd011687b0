"""Train the quick models of mask propagation and print their table.

A run is two to four minutes on one idle CPU core; finished runs are kept in
``results.json`` of the work directory and skipped when called again. Students
need the teacher of their seed, which is trained first.
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

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'deform_vos'
REQUIRED = ('model', 'train_dataloader', 'train_cfg', 'test_dataloader')
SUFFIX = '_textured-shapes-96.py'
TEACHER = 'vos_conv-small_1xb8-400'
COLOR = 'color-vos_resnet-tiny_1xb8-300'
# Name -> config, and the name of the teacher it needs.
MAIN = {
    'teacher': (TEACHER, None),
    'student, distilled': (
        'deform-vos_conv-tiny_from-conv-small_1xb8-400',
        'teacher',
    ),
    'student, pseudo-labels': (
        'pseudo-vos_conv-tiny_from-conv-small_1xb8-400',
        'teacher',
    ),
}
LABEL_FREE = {
    'colour teacher, label-free': (COLOR, None),
    'student, label-free': (
        'label-free-vos_conv-tiny_from-resnet-tiny_1xb8-400',
        'colour teacher, label-free',
    ),
}
# The student's network trained with labels; options of its long-term read.
READS: dict[str, dict[str, Any]] = {
    f'{name}, stride {stride}': dict(stride=stride, **options)
    for stride in (1, 2, 4)
    for name, options in (
        ('fixed grid', dict(range_cells=0)),
        ('offsets from query', dict(offset_cond='query')),
        ('offsets from query_key', dict(offset_cond='query_key')),
    )
}
GROUPS = {
    'main': tuple(MAIN),
    'label_free': tuple(LABEL_FREE),
    'reads': tuple(READS),
}
SCORES = ('jf_mean', 'j_mean', 'f_mean')


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('--work-dir', default='work_dirs/ablate_vos')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument(
        '--groups', nargs='+', choices=GROUPS, default=list(GROUPS)
    )
    parser.add_argument(
        '--iters', type=int, help="iterations of each run, if not the config's"
    )
    return parser.parse_args()


def run_config(name: str, seed: int, work_dir: Path) -> Config:
    """Return the config of one run."""
    config, teacher = (MAIN | LABEL_FREE).get(name, (TEACHER, None))
    cfg = load_config(str(CONFIGS / f'{config}{SUFFIX}'))
    if name in READS:
        base = CONFIGS.parent / '_base_/models/vos_deform_tiny.py'
        tiny = load_config(str(base)).vos_deform_tiny
        cfg.model.update(tiny)
        cfg.model.propagator.gdpm.update(READS[name])
    if teacher is not None:
        checkpoint = last_checkpoint(work_dir / folder(teacher, seed))
        cfg.model.teacher_checkpoint = checkpoint
    cfg.randomness.seed = seed
    videos = cfg.train_dataloader.dataset
    videos.get('dataset', videos).seed = 1000 + seed
    return cfg


def folder(name: str, seed: int) -> str:
    """Return the name of a run's folder."""
    return f'{name}-seed{seed}'.replace(', ', '-').replace(' ', '_')


def last_checkpoint(run: Path) -> str:
    """Return the path in a run's ``last_checkpoint``."""
    path = run / 'last_checkpoint'
    if not path.is_file():
        raise ValueError(f'{path} not found: the teacher was not trained')
    return path.read_text().strip()


def shorten(node: Any, share: float) -> None:
    """Scale the iterations of a config's schedules."""
    keys = ('hard_iters', 'reference_iters', 'label_iters', 'ramp')
    if isinstance(node, dict):
        for key, value in node.items():
            if key in keys:
                node[key] = round(share * value)
            else:
                shorten(value, share)


def run(cfg: Config, work_dir: Path, iters: int | None) -> dict[str, float]:
    """Train and test one variant."""
    total = iters or cfg.train_cfg.max_iters
    shorten(cfg.model, total / cfg.train_cfg.max_iters)
    cfg.train_cfg.update(max_iters=total, val_interval=total)
    cfg.param_scheduler.update(warmup=max(total // 20, 1), decay_end=total)
    cfg.default_hooks.checkpoint.interval = total
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'{work_dir.name}-{time.time_ns()}'
    runner = build_runner(cfg, REQUIRED)
    began = time.process_time()
    runner.train()
    spent = time.process_time() - began
    scores = {key: float(value) for key, value in runner.test().items()}
    return {**scores, 'train_cpu_s': spent, 'iters': total}


def check_kept(
    scores: dict[str, float], cfg: Config, iters: int | None, path: Path
) -> None:
    """Stop where a kept run is not of the length that is asked for.

    Raises:
        ValueError: Names the file and both lengths.
    """
    asked = iters or cfg.train_cfg.max_iters
    if scores['iters'] != asked:
        raise ValueError(
            f'{path} holds runs of {scores["iters"]:g} iterations, '
            f'{asked} are asked for; give another --work-dir'
        )


def table(results: dict[str, Any], names: list[str]) -> str:
    """Return mean and standard deviation over seeds as a Markdown table."""
    lines = [
        '| run | seeds | J&F | J | F |',
        '| --- | --- | --- | --- | --- |',
    ]
    for name in names:
        runs = list(results.get(name, {}).values())
        cells = [_spread([run[key] for run in runs]) for key in SCORES]
        lines.append(f'| {name} | {len(runs)} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _spread(values: list[float]) -> str:
    if not values:
        return '-'
    spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f'{100 * np.mean(values):.1f} ± {100 * spread:.1f}'


def main() -> None:
    """Run what is not yet in the results, seed by seed."""
    args = parse_args()
    work_dir = Path(args.work_dir)
    path = work_dir / 'results.json'
    results = json.loads(path.read_text()) if path.is_file() else {}
    names = [name for group in args.groups for name in GROUPS[group]]
    for seed in args.seeds:
        for name in names:
            kept = results.setdefault(name, {})
            cfg = run_config(name, seed, work_dir)
            if str(seed) in kept:
                check_kept(kept[str(seed)], cfg, args.iters, path)
                continue
            kept[str(seed)] = run(
                cfg, work_dir / folder(name, seed), args.iters
            )
            write_atomically(json.dumps(results, indent=1).encode(), path)
            print(f'{name}, seed {seed}: {kept[str(seed)]}')
    print(table(results, names))


if __name__ == '__main__':
    run_command(main)
