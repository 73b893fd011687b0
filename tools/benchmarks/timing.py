"""What the benchmarks share: taking turns, summing up, writing down."""

import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch


def take_turns(
    cases: dict[str, Callable[[], object]],
    repeats: int,
    *,
    warmups: int = 1,
    device: str = 'cpu',
    before: Callable[[], object] | None = None,
) -> dict[str, dict[str, float]]:
    """Time cases in turn (ABAB), so that all see the same busy machine.

    Args:
        cases: Name to what is timed.
        repeats: Timed turns.
        warmups: Turns that do not count.
        device: Waited for where it is not the CPU.
        before: Called before each case, untimed.

    Returns:
        For each case, seconds of wall time and of processor time: median
        and minimum.
    """
    walls: dict[str, list[float]] = {name: [] for name in cases}
    cpus: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(-warmups, repeats):
        for name, run in cases.items():
            if before is not None:
                before()
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            if device != 'cpu':
                torch.accelerator.synchronize()
            if turn >= 0:
                cpus[name].append(time.process_time() - cpu)
                walls[name].append(time.perf_counter() - wall)
    return {
        name: {
            'wall_median_s': statistics.median(walls[name]),
            'wall_min_s': min(walls[name]),
            'cpu_median_s': statistics.median(cpus[name]),
            'cpu_min_s': min(cpus[name]),
        }
        for name in cases
    }


def print_times(times: dict[str, dict[str, float]]) -> None:
    """Print one line in milliseconds for each case."""
    columns = next(iter(times.values()))
    heads = ''.join(f'{key.replace("_s", " ms"):>18}' for key in columns)
    print(f'{"":28}{heads}'.replace('_', ' '))
    for name, row in times.items():
        cells = ''.join(f'{1000 * value:18.1f}' for value in row.values())
        print(f'{name:28}{cells}')


def machine(device: str) -> dict[str, object]:
    """Return what ran the benchmark."""
    name = platform.processor() or platform.machine()
    if device != 'cpu':
        name = torch.cuda.get_device_name()
    return {
        'device': name,
        'threads': torch.get_num_threads(),
        'torch': torch.__version__,
    }


def write_json(path: Path | None, result: dict) -> None:
    """Write a result where a path is given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2) + '\n')
