"""Speed and memory of mask propagation on made-up video.

Each case runs in a process of its own, so that peaks of memory do not mix:
frames per second of student and teacher, and the peak of resident memory
against the number of objects and against the length of the video. Weights
are random; frames are made one by one and never kept.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from timing import machine, write_json

from slotkd.models.video import VosModel, VosTracker
from slotkd.registry import MODELS

BASES = Path(__file__).parents[2] / 'configs' / '_base_' / 'models'
# A ring of 3 frames, one every 5, is full from here on.
FULL_AFTER = 16


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one process runs.

    Args:
        model: ``vos_deform_<model>``.
        objects: Number of objects.
        frames: Frames of the video, the first with masks.
        size: Height and width of a frame.
        threads: Threads of torch.
    """

    model: str
    objects: int
    frames: int
    size: tuple[int, int]
    threads: int


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--models', nargs='+', default=['mv2', 'r50'])
    parser.add_argument('--objects', type=int, nargs='+', default=[1, 5, 10])
    parser.add_argument('--lengths', type=int, nargs='+', default=[50, 500])
    parser.add_argument(
        '--frames',
        type=int,
        default=FULL_AFTER + 8,
        help=f'frames where speed is measured, of which the first '
        f'{FULL_AFTER} do not count (%(default)s)',
    )
    parser.add_argument(
        '--size', type=int, nargs=2, default=[480, 854], metavar=('H', 'W')
    )
    parser.add_argument(
        '--length-size',
        type=int,
        nargs=2,
        default=[240, 427],
        metavar=('H', 'W'),
        help='size of the frames of long videos (%(default)s)',
    )
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--out', type=Path, help='JSON file of the result')
    parser.add_argument('--case', type=json.loads, help=argparse.SUPPRESS)
    return parser.parse_args()


def build(name: str) -> VosModel:
    """Build a shipped model with random weights."""
    config = Config.fromfile(BASES / f'vos_deform_{name}.py')
    model = config[f'vos_deform_{name}']
    model.backbone.pop('init_cfg', None)
    return MODELS.build(model).eval()


def first_mask(objects: int, size: tuple[int, int]) -> torch.Tensor:
    """Return upright stripes, one for each object."""
    height, width = size
    mask = torch.zeros(height, width, dtype=torch.long)
    step = width // objects
    for index in range(objects):
        left = index * step
        mask[height // 4 : -height // 4, left : left + step // 2] = index + 1
    return mask


def run_case(case: Case) -> dict[str, float]:
    """Follow objects through a video; return speed and memory."""
    init_default_scope('slotkd')
    torch.set_num_threads(case.threads)
    torch.manual_seed(0)
    tracker = VosTracker(build(case.model))
    texture = torch.randn(3, case.size[0], case.size[1] + case.frames)
    loaded = peak_mib()
    mask: torch.Tensor | None = first_mask(case.objects, case.size)
    walls, cpus = [], []
    for t in range(case.frames):
        image = texture[:, :, t : t + case.size[1]].contiguous()
        wall, cpu = time.perf_counter(), time.process_time()
        tracker.step(image, mask)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        mask = None
    counted = slice(FULL_AFTER, None) if case.frames > FULL_AFTER else slice(1)
    return {
        'frames_per_s': 1 / statistics.median(walls[counted]),
        'cpu_s_per_frame': statistics.median(cpus[counted]),
        'loaded_mib': loaded,
        'peak_mib': peak_mib(),
    }


def peak_mib() -> float:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_apart(case: Case) -> dict[str, float]:
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


def list_cases(args: argparse.Namespace) -> list[Case]:
    """Return all cases: objects for every model, lengths for the first."""
    size, small = tuple(args.size), tuple(args.length_size)
    cases = [
        Case(
            model=model,
            objects=objects,
            frames=args.frames,
            size=size,
            threads=args.threads,
        )
        for model in args.models
        for objects in args.objects
    ]
    cases += [
        Case(
            model=args.models[0],
            objects=args.objects[0],
            frames=length,
            size=small,
            threads=args.threads,
        )
        for length in args.lengths
    ]
    return cases


def main() -> None:
    """Run one case, or all of them one after the other."""
    args = parse_args()
    if args.case is not None:
        args.case['size'] = tuple(args.case['size'])
        print(json.dumps(run_case(Case(**args.case))))
        return
    print(
        f'{"model":6}{"objects":>8}{"frames":>8}{"size":>10}'
        f'{"frames/s":>10}{"CPU s":>8}{"MiB":>8}'
    )
    rows = []
    for case in list_cases(args):
        row = asdict(case) | run_apart(case)
        rows.append(row)
        size = f'{case.size[1]}x{case.size[0]}'
        print(
            f'{case.model:6}{case.objects:8}{case.frames:8}{size:>10}'
            f'{row["frames_per_s"]:10.2f}{row["cpu_s_per_frame"]:8.2f}'
            f'{row["peak_mib"]:8.0f}',
            flush=True,
        )
    torch.set_num_threads(args.threads)
    write_json(args.out, dict(machine=machine('cpu'), cases=rows))


if __name__ == '__main__':
    main()
