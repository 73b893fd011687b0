"""Speed and memory of a streamed query model that never looks ahead.

Streams made-up video through the quick student, with each tracker in a
process of its own, and measures frames per second and resident memory on the
way. First it checks that what a frame gives does not depend on later frames.
Weights are random unless a checkpoint is given.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from timing import machine, write_json

from slotkd.apis import init_model
from slotkd.datasets.vis_shapes import VisScene, draw_vis_video
from slotkd.engine import load_config
from slotkd.models.queries import OnlineMask2Former, TrackState

CONFIG = (
    Path(__file__).parents[2]
    / 'configs/ookd/online_r18-tiny_1xb4-800_vis-shapes-64.py'
)
TRACKERS = ('OnlineTracker', 'MemoryTracker')
WARM_UP = 20
CHECKED = 24


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one process runs.

    Args:
        config: Config of the student.
        checkpoint: Its weights; None for random ones.
        tracker: Registered name of the tracker.
        marks: Numbers of frames after which memory is read, ascending; the
            last ends the video.
        size: Side of a frame.
        threads: Threads of torch.
    """

    config: str
    checkpoint: str | None
    tracker: str
    marks: list[int]
    size: int
    threads: int


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--config', default=str(CONFIG))
    parser.add_argument('--checkpoint', help='weights of the student')
    parser.add_argument(
        '--trackers', nargs='+', choices=TRACKERS, default=list(TRACKERS)
    )
    parser.add_argument(
        '--marks',
        type=int,
        nargs='+',
        default=[50, 100, 200, 300, 400, 500],
        help='frames after which memory is read (%(default)s)',
    )
    parser.add_argument('--size', type=int, default=64, help='of a frame')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--out', type=Path, help='JSON file of the result')
    parser.add_argument('--case', type=json.loads, help=argparse.SUPPRESS)
    return parser.parse_args()


def build(case: Case) -> OnlineMask2Former:
    """Build the student with the tracker of a case."""
    config = load_config(case.config)
    config.model.tracker = dict(type=case.tracker)
    return init_model(config, case.checkpoint)


def draw(case: Case) -> torch.Tensor:
    """Return one video of moving shapes, (T, 3, H, W) in [-1, 1]."""
    length = max(case.marks[-1], 2 * CHECKED)
    scene = VisScene(num_frames=length, size=case.size)
    frames = draw_vis_video(np.random.default_rng(0), scene)[0]
    return torch.from_numpy(frames).permute(0, 3, 1, 2) / 127.5 - 1


def check_causal(model: OnlineMask2Former, video: torch.Tensor) -> None:
    """Stop where later frames change what earlier ones give.

    Two videos of equal first halves are streamed in turn and predicted whole.

    Raises:
        SystemExit: Names the frame.
    """
    half = len(video) // 2
    other = video.clone()
    other[half:] = video[half:].roll(1, dims=1).flip(3)
    states: list[TrackState | None] = [None, None]
    differ = []
    for frames in zip(video, other, strict=True):
        given = []
        for k in range(2):
            tracks, states[k] = model.stream(
                frames[k], states[k], score_thr=0.0
            )
            given.append(tracks)
        differ.append(not _same(*given))
    with torch.no_grad():
        records = [model.run(v[None]) for v in (video, other)]
    for name in ('features', 'cls_logits', 'mask_logits'):
        a, b = (getattr(record, name)[0] for record in records)
        for t in range(len(video)):
            differ[t] = differ[t] or not torch.equal(a[t], b[t])
    if any(differ[:half]):
        raise SystemExit(f'frame {differ.index(True)} knows later frames')
    if not any(differ):
        raise SystemExit('the frames that were changed change nothing')


def _same(a: object, b: object) -> bool:
    return all(
        torch.equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)
    )


def run_case(case: Case) -> dict[str, object]:
    """Stream a video; return speed, memory and size of the state."""
    torch.set_num_threads(case.threads)
    torch.manual_seed(0)
    model, video = build(case), draw(case)
    check_causal(model, video[: 2 * CHECKED])
    state, walls, cpus, memory = None, [], [], []
    for t in range(case.marks[-1]):
        wall, cpu = time.perf_counter(), time.process_time()
        _, state = model.stream(video[t], state)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        if t + 1 in case.marks:
            memory.append(resident_mib())
    counted = slice(WARM_UP if len(walls) > WARM_UP else 0, None)
    return {
        'frames_per_s': 1 / statistics.median(walls[counted]),
        'frames_per_cpu_s': 1 / statistics.median(cpus[counted]),
        'resident_mib': memory,
        'state_values': sum(
            value.numel()
            for value in vars(state).values()
            if isinstance(value, torch.Tensor)
        ),
    }


def resident_mib() -> float:
    """Return the present resident memory of this process (Linux)."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20


def run_apart(case: Case) -> dict[str, object]:
    """Run a case in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, '--case', json.dumps(asdict(case))],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(f'{case} failed')
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run one case, or all of them one after the other."""
    args = parse_args()
    if args.case is not None:
        print(json.dumps(run_case(Case(**args.case))))
        return
    marks = sorted(args.marks)
    heads = ''.join(f'{mark:>8}' for mark in marks)
    print(f'{"":16}{"frames/s":>10}{"per CPU s":>11}{heads}  (MiB after)')
    rows = []
    for tracker in args.trackers:
        case = Case(
            config=args.config,
            checkpoint=args.checkpoint,
            tracker=tracker,
            marks=marks,
            size=args.size,
            threads=args.threads,
        )
        row = asdict(case) | run_apart(case)
        rows.append(row)
        cells = ''.join(f'{value:8.1f}' for value in row['resident_mib'])
        print(
            f'{tracker:16}{row["frames_per_s"]:10.1f}'
            f'{row["frames_per_cpu_s"]:11.1f}{cells}',
            flush=True,
        )
    torch.set_num_threads(args.threads)
    write_json(args.out, dict(machine=machine('cpu'), cases=rows))


if __name__ == '__main__':
    main()
