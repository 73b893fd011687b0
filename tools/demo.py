"""The whole job in a few minutes: teacher, distilled student, control."""

import argparse
import json
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from slotkd.engine import (
    OneLineParser,
    ReportClip,
    build_runner,
    describe_machine,
    load_config,
    run_command,
    write_atomically,
    write_report,
)
from slotkd.evaluation import adjusted_rand_index, mean_best_overlap

QUICKSTART = Path(__file__).resolve().parents[1] / 'configs' / 'quickstart'
CONFIGS = {
    'teacher': 'slotcontrast_color-wide_1xb16-800_moving-shapes-32.py',
    'student': 'slotmatch_color-narrow_from-color-wide_1xb16-500_'
    'moving-shapes-32.py',
    'control': 'slotcontrast_color-narrow_1xb16-500_moving-shapes-32.py',
}
REQUIRED = ('model', 'train_dataloader', 'train_cfg', 'test_dataloader')
SHOWN_CLIPS = 4


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """What is kept of one training."""

    model: nn.Module
    preprocessor: nn.Module
    videos: list[Any]
    scores: dict[str, float]
    train_s: float
    work_dir: Path
    checkpoint: Path


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('--work-dir', default='work_dirs/demo')
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[0],
        help='repeat everything for each seed and print mean and deviation',
    )
    parser.add_argument(
        '--iters', type=int, help='train this long instead (a smoke run)'
    )
    return parser.parse_args()


def run_config(name: str, seed: int, iters: int | None) -> Config:
    """Return the config of one training of the demo."""
    cfg = load_config(str(QUICKSTART / CONFIGS[name]))
    cfg.randomness.seed = seed
    cfg.train_dataloader.dataset.seed = 1000 + seed
    cfg.default_hooks.logger.interval = 20
    if iters is not None:
        cfg.train_cfg.max_iters = iters
        cfg.train_cfg.val_interval = max(1, iters // 4)
    cfg.default_hooks.checkpoint.interval = cfg.train_cfg.max_iters
    return cfg


def train(cfg: Config, work_dir: Path) -> FinishedRun:
    """Train one model and test it on the held-out videos."""
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = (
        f'{work_dir.parent.name}-{work_dir.name}-{time.time_ns()}'
    )
    runner = build_runner(cfg, REQUIRED)
    start = time.perf_counter()
    model = runner.train()
    train_s = time.perf_counter() - start
    scores = runner.test()
    return FinishedRun(
        model=getattr(model, 'student', model).eval(),
        preprocessor=model.data_preprocessor,
        videos=list(runner.test_dataloader.dataset),
        scores={key: float(value) for key, value in scores.items()},
        train_s=train_s,
        work_dir=work_dir,
        checkpoint=work_dir / f'iter_{cfg.train_cfg.max_iters}.pth',
    )


def train_all(
    work_dir: Path, seed: int, iters: int | None
) -> dict[str, FinishedRun]:
    """Train teacher, student and control of one seed."""
    runs = {}
    for name in CONFIGS:
        cfg = run_config(name, seed, iters)
        if name == 'student':
            cfg.model.teacher_checkpoint = str(runs['teacher'].checkpoint)
        runs[name] = train(cfg, work_dir / name)
    return runs


def normalised(run: FinishedRun, videos: list[dict]) -> torch.Tensor:
    """Return packed videos as a run's model takes them."""
    clips = [video['inputs'] for video in videos]
    return run.preprocessor({'inputs': clips})['inputs']


def frames_per_second(
    runs: dict[str, FinishedRun], rounds: int = 40, videos: int = 16
) -> dict[str, float]:
    """Time whole-video prediction, the models in turn.

    Taking turns spreads what else the machine does over all of them; the
    fastest round counts, as it is disturbed least.
    """
    teacher = runs['teacher']
    batch = normalised(teacher, teacher.videos[:videos])
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    with torch.inference_mode():
        for _ in range(rounds + 2):
            for name, run in runs.items():
                start = time.perf_counter()
                run.model.run(batch, ('masks',)).masks.cpu()
                seconds[name].append(time.perf_counter() - start)
    frames = batch.shape[0] * batch.shape[1]
    return {name: frames / min(times[2:]) for name, times in seconds.items()}


def results_of(
    runs: dict[str, FinishedRun], seed: int, wall_s: float
) -> dict[str, Any]:
    """Return the object of results.json."""
    speed = frames_per_second(runs)
    return {
        'dataset': 'MovingShapes 32x32, 3 to 4 shapes, 6 frames, held out',
        'seed': seed,
        'wall_s': wall_s,
        'runs': {
            name: {
                'fg_ari': run.scores['fg_ari'],
                'mbo': run.scores['mbo'],
                'params': sum(p.numel() for p in run.model.parameters()),
                'frames_per_s': speed[name],
                'train_s': run.train_s,
            }
            for name, run in runs.items()
        },
    }


def curves_of(run: FinishedRun) -> dict[str, list[tuple[int, float]]]:
    """Read losses and scores over time from the log of a run."""
    curves: dict[str, list[tuple[int, float]]] = {}
    logs = sorted(run.work_dir.glob('*/vis_data/scalars.json'))
    for line in logs[-1].read_text(encoding='utf-8').splitlines():
        entry = json.loads(line)
        for key, value in entry.items():
            if key in ('fg_ari', 'mbo') or key.startswith('loss'):
                curves.setdefault(key, []).append((entry['step'], value))
    return curves


def clips_of(runs: dict[str, FinishedRun]) -> list[ReportClip]:
    """Predict the first held-out videos with all three models."""
    clips = []
    for video in runs['teacher'].videos[:SHOWN_CLIPS]:
        truth = video['data_samples'].gt_masks
        labels, scores = {'ground truth': truth.numpy()}, {}
        for name, run in runs.items():
            with torch.inference_mode():
                (sample,) = run.model.predict(normalised(run, [video]))
            masks = sample.pred_masks.cpu()
            labels[name] = masks.numpy()
            scores[name] = {
                'fg_ari': adjusted_rand_index(masks, truth),
                'mbo': mean_best_overlap(masks, truth),
            }
        clips.append(
            ReportClip(
                video_id=video['data_samples'].video_id,
                frames=video['inputs'].permute(0, 2, 3, 1).numpy(),
                labels=labels,
                scores=scores,
            )
        )
    return clips


def demo(work_dir: Path, seed: int, iters: int | None) -> dict[str, Any]:
    """Run the demo with one seed and write results.json and report.html."""
    start = time.perf_counter()
    runs = train_all(work_dir, seed, iters)
    results = results_of(runs, seed, time.perf_counter() - start)
    text = json.dumps(results, indent=2) + '\n'
    write_atomically(text.encode(), work_dir / 'results.json')
    write_report(
        work_dir / 'report.html',
        results,
        {name: curves_of(run) for name, run in runs.items()},
        clips_of(runs),
        title='SlotMatch on moving shapes',
        facts={
            'command': 'make demo',
            'date': f'{datetime.now(timezone.utc):%Y-%m-%d}',
            **describe_machine(),
        },
    )
    return results


def table(all_results: list[dict[str, Any]]) -> str:
    """Return mean and standard deviation over seeds as a Markdown table."""
    lines = [
        '| run | FG-ARI | mBO | parameters | frames/s |',
        '| --- | --- | --- | --- | --- |',
    ]
    for name in CONFIGS:
        runs = [results['runs'][name] for results in all_results]
        cells = [
            _spread([100 * run[key] for run in runs])
            for key in ('fg_ari', 'mbo')
        ]
        cells += [f'{runs[0]["params"]:,}']
        cells += [f'{np.mean([run["frames_per_s"] for run in runs]):.0f}']
        lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _spread(values: list[float]) -> str:
    if len(values) == 1:
        return f'{values[0]:.1f}'
    return f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}'


def main() -> None:
    """Run the demo for each seed and print its table."""
    args = parse_args()
    # The models are too small to gain from more threads, and sums come out
    # alike however many cores a machine has.
    torch.set_num_threads(1)
    work_dir = Path(args.work_dir)
    single = len(args.seeds) == 1
    all_results = [
        demo(
            work_dir if single else work_dir / f'seed{seed}', seed, args.iters
        )
        for seed in args.seeds
    ]
    print(table(all_results))
    print(f'Report: {work_dir}/{"" if single else "seed*/"}report.html')


if __name__ == '__main__':
    run_command(main)
