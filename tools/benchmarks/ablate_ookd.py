"""Train OOKD's variants on moving shapes and print their table.

Every run is two to five minutes on one CPU core. A finished run leaves
``scores.json`` in its folder and is skipped when called again; ``--jobs 2``
trains two at a time. The data are written first; the teacher is trained
before what distils it.
"""

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from slotkd.datasets.vis_shapes import write_vis_shapes
from slotkd.engine import (
    OneLineParser,
    build_runner,
    load_config,
    run_command,
    write_atomically,
)

CONFIGS = Path(__file__).resolve().parents[2] / 'configs/ookd'
TEACHER = 'mask2former-video_r18-tiny_1xb4-4k_vis-shapes-64'
CONTROL = 'online_r18-tiny_1xb4-800_vis-shapes-64'
OOKD = 'ookd_r18-tiny_from-r18-tiny_1xb4-800_vis-shapes-64'
REQUIRED = ('model', 'train_dataloader', 'train_cfg', 'test_dataloader')
DATA = 'data/vis_shapes'
OPEN = dict(cls_thr=None, tube_iou_thr=None, exclusive=False)
NO_STUDENT = dict(student_iou_thr=None)
# Name -> config, options of the association, options of MinorPaste.
VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    'teacher': (TEACHER, {}, {}),
    'student alone': (CONTROL, {}, {}),
    'OOKD': (OOKD, {}, {}),
    'OOKD, no filter': (OOKD, OPEN | NO_STUDENT | {'weight': 'none'}, {}),
    'OOKD, teacher filter': (OOKD, NO_STUDENT, {}),
    'OOKD, pairs by index': (OOKD, {'mode': 'index'}, {}),
    'OOKD, pairs by cosine': (OOKD, {'mode': 'cosine'}, {}),
    'OOKD, no labels': (OOKD, {'mode': 'pseudo'}, {}),
    'student alone, no paste': (CONTROL, {}, {'prob': 0}),
    'OOKD, no paste': (OOKD, {}, {'prob': 0}),
}
SCORES = (
    'AP',
    'AP50',
    'AR10',
    'AP_square',
    'AP_disc',
    'AP_triangle',
    'AP_cross',
    'association',
    'cosine_gap',
    'pair_accuracy',
    'pass_rate',
)
LOGGED = ('pair_accuracy', 'pass_rate')
LAST = 8  # of the logged values, averaged


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('--work-dir', default='work_dirs/ablate_ookd')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--iters', type=int, default=600, help='of a student')
    parser.add_argument('--teacher-iters', type=int, default=4000)
    parser.add_argument('--train', type=int, default=400, help='videos')
    parser.add_argument('--val', type=int, default=80, help='videos')
    parser.add_argument('--jobs', type=int, default=1, help='at a time')
    parser.add_argument(
        '--variants', nargs='+', choices=VARIANTS, default=list(VARIANTS)
    )
    parser.add_argument('--run', choices=VARIANTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def folder_of(name: str, seed: int, args: argparse.Namespace) -> Path:
    """Return the folder of a run."""
    plain = name.replace(', ', '-').replace(' ', '_')
    return Path(args.work_dir) / f'{plain}-seed{seed}'


def run_config(name: str, seed: int, args: argparse.Namespace) -> Config:
    """Return the config of one run."""
    leaf, association, paste = VARIANTS[name]
    cfg = load_config(str(CONFIGS / f'{leaf}.py'))
    _move_data(cfg._cfg_dict, str(Path(args.work_dir) / 'data'))
    iters = args.teacher_iters if name == 'teacher' else args.iters
    cfg.randomness.seed = seed
    cfg.train_cfg.max_iters = iters
    # The last validation would only repeat the test.
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    warmup = min(cfg.param_scheduler[0].end, iters // 2)
    cfg.param_scheduler[0].end = cfg.param_scheduler[1].begin = warmup
    cfg.param_scheduler[1].end = iters
    cfg.default_hooks.checkpoint.interval = iters
    cfg.default_hooks.pop('visualization')
    cfg.visualizer.vis_backends = []
    cfg.train_dataloader.dataset.pipeline[2].update(paste)
    if leaf == OOKD:
        cfg.model.teacher_checkpoint = str(
            folder_of('teacher', 0, args) / f'iter_{args.teacher_iters}.pth'
        )
        term = cfg.model.distill_losses.query
        term.ramp = iters // 20
        term.qfa.update(association, student_filter_begin=iters // 10)
    return cfg


def _move_data(node: Any, root: str) -> None:
    """Let every path of the data set begin with another folder."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        if isinstance(value, str) and value.startswith(DATA):
            node[key] = root + value.removeprefix(DATA)
        elif isinstance(value, dict | list):
            _move_data(value, root)


def is_kept(name: str, seed: int, args: argparse.Namespace) -> bool:
    """Say whether a run has scores.

    Raises:
        ValueError: If they are those of a run of another length.
    """
    path = folder_of(name, seed, args) / 'scores.json'
    if not path.is_file():
        return False
    kept = json.loads(path.read_text())['iters']
    asked = args.teacher_iters if name == 'teacher' else args.iters
    if kept != asked:
        raise ValueError(
            f'{path} is of a run of {kept} iterations, {asked} are asked '
            'for; give another --work-dir'
        )
    return True


def run_one(name: str, seed: int, args: argparse.Namespace) -> None:
    """Train and test one variant, and keep its scores."""
    torch.set_num_threads(1)
    folder = folder_of(name, seed, args)
    cfg = run_config(name, seed, args)
    cfg.work_dir = str(folder)
    cfg.experiment_name = f'{folder.name}-{time.time_ns()}'
    runner = build_runner(cfg, REQUIRED)
    began, cpu = time.time(), time.process_time()
    runner.train()
    scores = {
        'iters': cfg.train_cfg.max_iters,
        'train_s': time.time() - began,
        'train_cpu_s': time.process_time() - cpu,
        **logged(runner),
    }
    scores |= {key: float(value) for key, value in runner.test().items()}
    text = json.dumps(scores, indent=1)
    write_atomically(text.encode(), folder / 'scores.json')


def logged(runner: Runner) -> dict[str, float]:
    """Return diagnostics of the distillation, late in training."""
    found = {}
    scalars = runner.message_hub.log_scalars
    for key in LOGGED:
        history = scalars.get(f'train/query_{key}')
        if history is not None:
            found[key] = float(np.mean(history.data[0][-LAST:]))
    return found


def table(args: argparse.Namespace) -> str:
    """Return mean and standard deviation over seeds as a Markdown table."""
    lines = [
        '| variant | seeds | ' + ' | '.join(SCORES) + ' |',
        '| --- ' * (len(SCORES) + 2) + '|',
    ]
    for name in args.variants:
        paths = [
            folder_of(name, seed, args) / 'scores.json'
            for seed in seeds_of(name, args)
        ]
        runs = [json.loads(p.read_text()) for p in paths if p.is_file()]
        cells = [_spread([r[k] for r in runs if k in r]) for k in SCORES]
        lines.append(f'| {name} | {len(runs)} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _spread(values: list[float]) -> str:
    if not values:
        return '-'
    spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f'{100 * np.mean(values):.1f} ± {100 * spread:.1f}'


def seeds_of(name: str, args: argparse.Namespace) -> list[int]:
    """Return the seeds of a variant; there is one teacher."""
    return [0] if name == 'teacher' else args.seeds


def start(
    name: str,
    seed: int,
    args: argparse.Namespace,
    teacher: Future | None = None,
) -> None:
    """Train one variant in a process of its own.

    Args:
        name: The variant.
        seed: Its seed.
        args: Of the command.
        teacher: The teacher's run, which distillation waits for.

    Raises:
        RuntimeError: If it fails; its log says why.
    """
    if teacher is not None and VARIANTS[name][0] == OOKD:
        teacher.result()
    folder = folder_of(name, seed, args)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, '--run', name, '--seeds', str(seed)]
    for key in ('work_dir', 'iters', 'teacher_iters', 'train', 'val'):
        command += [f'--{key.replace("_", "-")}', str(getattr(args, key))]
    with open(folder / 'log.txt', 'w', encoding='utf-8') as log:
        done = subprocess.run(command, stdout=log, stderr=log)
    if done.returncode:
        raise RuntimeError(f'{name}, seed {seed}: see {folder / "log.txt"}')
    print(f'{name}, seed {seed}: done', flush=True)


def main() -> None:
    """Run what has no scores yet: data, teacher, students seed by seed."""
    args = parse_args()
    if args.run is not None:
        run_one(args.run, args.seeds[0], args)
        return
    data = Path(args.work_dir) / 'data'
    if not (data / 'val_frames.json').is_file():
        print('data:', write_vis_shapes(data, train=args.train, val=args.val))
    missing = [
        (name, seed)
        for seed in args.seeds
        for name in args.variants
        if name != 'teacher' and not is_kept(name, seed, args)
    ]
    with ThreadPoolExecutor(args.jobs) as pool:
        teacher = None
        if not is_kept('teacher', 0, args):
            teacher = pool.submit(start, 'teacher', 0, args)
        # What needs no teacher comes first and is trained beside it.
        missing.sort(key=lambda run: VARIANTS[run[0]][0] == OOKD)
        jobs = [pool.submit(start, *run, args, teacher) for run in missing]
        for job in jobs:
            job.result()
    print(table(args))


if __name__ == '__main__':
    run_command(main)
