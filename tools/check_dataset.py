"""Read the data sets of a config and report what is there and what is not.

Prints counts, frame sizes, label ids, missing videos and unreadable files.
Without --frames the first frame of each video is read, with it every frame
and mask. Ends with 0 where all is well, 1 where something is missing or
unreadable, 2 where the config is wrong or there is no data set at all.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from slotkd.datasets.dataset_check import (
    DatasetReport,
    check_reader,
    each_video,
    find_readers,
)
from slotkd.datasets.video_problems import gathering_problems
from slotkd.engine import (
    OneLineParser,
    check_config,
    load_config,
    run_command,
)
from slotkd.engine.command_line import FAILED
from slotkd.engine.progress import progress_bar
from slotkd.ops.instance_labels import VOID
from slotkd.registry import DATASETS

SPLITS = ('train', 'val', 'test')
SHOWN = 20  # problems that are listed


def parse_args() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--split', choices=SPLITS, help='only this one (default: all)'
    )
    parser.add_argument(
        '--frames',
        action='store_true',
        help='read every frame and mask, not the first of each video alone',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='K=V',
        help='replace values of the config, as in a.b=1 list.0.key=2',
    )
    return parser.parse_args()


def pick_splits(cfg: Config, only: str | None) -> Iterator[tuple[str, Any]]:
    """Yield the names of splits and the data set they share."""
    names: dict[str, list[str]] = {}
    datasets = {}
    for split in SPLITS if only is None else (only,):
        loader = cfg.get(f'{split}_dataloader')
        if loader is not None:
            text = str(loader.dataset)
            names.setdefault(text, []).append(split)
            datasets[text] = loader.dataset
    if not datasets:
        wanted = only or ', '.join(SPLITS)
        raise ValueError(f'{cfg.filename} has no dataloader for {wanted}')
    for text, splits in names.items():
        yield ' and '.join(splits), datasets[text]


def describe(report: DatasetReport, where: str) -> Iterator[str]:
    """Yield the lines of a report."""
    yield f'{where}: {report.kind}'
    frames = sum(report.lengths)
    if report.lengths:
        low, high = min(report.lengths), max(report.lengths)
        yield (
            f'  videos         {len(report.lengths)} with {frames} frames '
            f'({low} to {high} each), {report.items} items'
        )
    yield f'  frame sizes    {_sizes(report.sizes)}'
    yield from _labels(report)
    yield f'  read           {report.frames_read} of {frames} frames'
    yield f'  left out       {len(report.skipped)}'
    yield from _listed(report.skipped)
    yield f'  unreadable     {len(report.problems)}'
    yield from _listed(report.problems)


def _sizes(sizes: Counter) -> str:
    shown = [
        f'{height}x{width} in {count}'
        for (height, width), count in sizes.most_common(8)
    ]
    return ', '.join(shown) + ', ...' * (len(sizes) > 8) or 'none'


def _labels(report: DatasetReport) -> Iterator[str]:
    if not report.masks_read:
        yield '  labels         not read'
        return
    objects = sorted(report.labels.keys() - {0, VOID})
    span = f'ids {objects[0]} to {objects[-1]}' if objects else 'no object'
    yield (
        f'  labels         {span}, at most {report.most_objects} in a video'
        + f', {report.classes} classes' * bool(report.classes)
    )
    yield (
        f'  masks          {report.masks_read}, {report.empty_masks} without '
        f'object; void in {report.labels[VOID]} videos'
    )


def _listed(lines: list[str]) -> Iterator[str]:
    for line in lines[:SHOWN]:
        yield f'    {" ".join(line.split())}'
    if len(lines) > SHOWN:
        yield f'    ... and {len(lines) - SHOWN} more'


def build_readers(cfg: Config, only: str | None) -> list[tuple]:
    """Return place, data set and listing problems of each reader."""
    readers = []
    for where, config in pick_splits(cfg, only):
        with gathering_problems() as found:
            try:
                dataset = DATASETS.build(config)
            except ValueError:
                for line in _listed(found.skipped + found.problems):
                    print(line)
                raise
        for reader in find_readers(dataset):
            readers.append((where, reader, found))
            found = type(found)()  # told once for all parts of a data set
    return readers


def main() -> None:
    """Check."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    cfg.default_scope = cfg.get('default_scope') or 'slotkd'
    check_config(cfg)
    init_default_scope(cfg.default_scope)
    MMLogger.get_current_instance().setLevel('WARNING')
    readers = build_readers(cfg, args.split)
    total = sum(1 for _, r, _ in readers for _ in each_video(r))
    reports = []
    with progress_bar(total) as advance:
        for where, reader, found in readers:
            report = check_reader(
                reader, all_frames=args.frames, progress=advance
            )
            report.problems = found.problems + report.problems
            report.skipped = found.skipped
            reports.append((where, report))
    for where, report in reports:
        print('\n'.join(describe(report, where)))
    if any(report.problems for _, report in reports):
        sys.exit(FAILED)


if __name__ == '__main__':
    run_command(main)
