"""How fast clips come out of tars, and whether training waits for them.

Writes shards like those of MOVi-C, then draws clips of four frames from
random places three ways: with tarfile, archive by archive, as a loader that
cannot seek has to; with slotkd before there is an index; and with it. Then
the quick start's student trains on such clips, made 32x32.
"""

import argparse
import io
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from timing import machine, take_turns, write_json

from slotkd.datasets import VideoTarDataset, block_starts
from slotkd.registry import MODELS

CONFIG = (
    Path(__file__).parents[2]
    / 'configs'
    / 'quickstart'
    / 'slotcontrast_color-narrow_1xb16-500_moving-shapes-32.py'
)
CLIP_LEN = 4
WARM_UP = 5  # training steps that do not count


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--shards', type=int, default=4)
    parser.add_argument(
        '--videos', type=int, default=64, help='videos in a shard'
    )
    parser.add_argument('--frames', type=int, default=24)
    parser.add_argument('--size', type=int, default=256, help='of a frame')
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--steps', type=int, default=100)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument(
        '--dir', type=Path, help='where the shards go for the time being'
    )
    parser.add_argument('--out', type=Path, help='JSON file of the result')
    return parser.parse_args()


def add_array(tar: tarfile.TarFile, name: str, array: np.ndarray) -> None:
    """Append an array to an archive."""
    file = io.BytesIO()
    np.save(file, array)
    info = tarfile.TarInfo(name)
    info.size = file.tell()
    file.seek(0)
    tar.addfile(info, file)


def write_shards(folder: Path, args: argparse.Namespace) -> list[Path]:
    """Write videos of noise in the layout of SlotContrast."""
    rng = np.random.default_rng(0)
    shape = (args.frames, args.size, args.size)
    video = rng.integers(0, 256, (*shape, 3), np.uint8)
    masks = rng.integers(0, 11, (*shape, 1), np.uint8)
    paths = []
    for shard in range(args.shards):
        paths.append(folder / f'movi_c-train-{shard:06d}.tar')
        with tarfile.open(paths[-1], 'w') as tar:
            for index in range(args.videos):
                key = shard * args.videos + index
                add_array(tar, f'{key}.segmentations.npy', masks)
                add_array(tar, f'{key}.video.npy', np.roll(video, key, 0))
    return paths


def read_in_order(paths: list[Path]) -> Iterator[np.ndarray]:
    """Yield a clip of each video, archives and videos as they come."""
    for path in paths:
        with tarfile.open(path, 'r:') as tar:
            for member in tar:
                if member.name.endswith('.video.npy'):
                    data = tar.extractfile(member).read()
                    video = np.load(io.BytesIO(data))
                    starts = block_starts(len(video), CLIP_LEN)
                    start = starts[np.random.randint(len(starts))]
                    yield video[start : start + CLIP_LEN]


def read_at_random(folder: Path) -> Iterator[list[np.ndarray]]:
    """Yield a clip of each video in random order, through the index."""
    dataset = VideoTarDataset(folder, with_masks=False, clip_len=CLIP_LEN)
    for index in np.random.permutation(len(dataset)):
        yield dataset[int(index)]['img']


def make_cases(
    folder: Path, paths: list[Path], videos: int
) -> dict[str, Callable[[], object]]:
    """Return what is timed: a clip of each video, set-up included."""

    def exhaust(clips: Iterator) -> None:
        shapes = [np.shape(clip) for clip in clips]
        if [shape[0] for shape in shapes] != [CLIP_LEN] * videos:
            raise SystemExit(f'{len(shapes)} clips of {videos} videos')

    def cold() -> None:
        for path in folder.glob('slotkd_index_*.json'):
            path.unlink()
        exhaust(read_at_random(folder))

    return {
        'tarfile': lambda: exhaust(read_in_order(paths)),
        'cold index': cold,
        'warm index': lambda: exhaust(read_at_random(folder)),
    }


def drop_from_cache(paths: list[Path]) -> None:
    """Ask the system to forget what it has read of files."""
    for path in paths:
        with path.open('rb') as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def time_reading(
    folder: Path, paths: list[Path], videos: int, repeats: int
) -> dict[str, dict[str, float]]:
    """Return clips per second of each way, from disk and from memory.

    Those per second of processor time, ``_cpu``, tell more on a machine
    that does other work, too.
    """
    cases = make_cases(folder, paths, videos)
    rates: dict[str, dict[str, float]] = {name: {} for name in cases}
    for source in ('disk', 'memory'):
        before = (lambda: drop_from_cache(paths)) if source == 'disk' else None
        times = take_turns(cases, repeats, before=before)
        for name, row in times.items():
            rates[name][source] = videos / row['wall_median_s']
            rates[name][f'{source}_cpu'] = videos / row['cpu_median_s']
    return rates


def time_training(
    folder: Path, workers: int, steps: int
) -> dict[str, float | int]:
    """Train the quick start's student; return how long it waits for clips."""
    cfg = Config.fromfile(CONFIG)
    size = cfg.test_dataloader.dataset.size
    loader_cfg = dict(
        cfg.train_dataloader,
        num_workers=workers,
        persistent_workers=workers > 0,
        dataset=dict(
            type='VideoTarDataset',
            data_root=str(folder),
            with_masks=False,
            clip_len=CLIP_LEN,
            pipeline=[
                dict(type='ResizeVideo', size=size),
                dict(type='PackVideoInputs'),
            ],
        ),
    )
    model = MODELS.build(cfg.model)
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    batches = iter(Runner.build_dataloader(loader_cfg, seed=0))
    waits, totals = [], []
    for _ in range(WARM_UP + steps):
        start = clocks()
        batch = next(batches)
        waits.append(clocks() - start)
        model.train_step(batch, optim_wrapper)
        totals.append(clocks() - start)
    wait, total = np.array(waits[WARM_UP:]), np.array(totals[WARM_UP:])
    share, cpu_share = wait.sum(0) / total.sum(0)
    return dict(
        workers=workers,
        batch_size=loader_cfg['batch_size'],
        step_ms=1000 * float(np.median(total[:, 0])),
        wait_ms=1000 * float(np.median(wait[:, 0])),
        wait_share=float(share),
        wait_cpu_share=float(cpu_share),
    )


def clocks() -> np.ndarray:
    """Return wall time and the processor time of this process, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def main() -> None:
    """Write shards, time, print and write."""
    args = parse_args()
    MMLogger.get_instance('reading', log_level='WARNING')
    init_default_scope('slotkd')
    torch.set_num_threads(args.threads)
    np.random.seed(0)
    with tempfile.TemporaryDirectory(dir=args.dir) as name:
        folder = Path(name)
        paths = write_shards(folder, args)
        size = sum(path.stat().st_size for path in paths)
        videos = args.shards * args.videos
        rates = time_reading(folder, paths, videos, args.repeats)
        training = time_training(folder, args.workers, args.steps)
    print(f'{len(paths)} shards of {size / len(paths) / 1e6:.0f} MB')
    heads = ''.join(f'{key:>14}' for key in rates['tarfile'])
    print(f'{"clips per second":20}{heads}'.replace('_', ' '))
    for way, row in rates.items():
        cells = ''.join(f'{value:14.0f}' for value in row.values())
        print(f'{way:20}{cells}')
    print(
        f'training: {training["step_ms"]:.0f} ms a step of '
        f'{training["batch_size"]} clips, {training["wait_share"]:.1%} of it '
        f'getting them from {training["workers"]} workers '
        f'({training["wait_cpu_share"]:.1%} of its processor time)'
    )
    facts = {k: v for k, v in vars(args).items() if k not in ('out', 'dir')}
    result = dict(facts, machine=machine('cpu'), bytes=size)
    write_json(args.out, result | dict(clips_per_s=rates, training=training))


if __name__ == '__main__':
    main()
