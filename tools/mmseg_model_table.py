"""Tell which models of the installed mmsegmentation run with slotkd.

Every model config that mmsegmentation ships is read. Configs of a family
that name the same parts count once: the first is built with random weights,
takes a training step and predicts, on two made-up images. The result is a
table in Markdown, one row for each family.

All families take about half an hour of one CPU core.
"""

import argparse
import multiprocessing
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import mmengine
import mmseg
import torch
from mmcv.utils.ext_loader import check_ops_exist
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from slotkd import __version__
from slotkd.engine import write_atomically
from slotkd.engine.command_line import one_line

CONFIGS = Path(mmseg.__file__).parent / '.mim' / 'configs'
# Where the parts of a model are: these types tell two models apart.
PARTS = ('backbone', 'neck', 'decode_head', 'auxiliary_head')
TRAINS = 'trains and predicts'
WIDTH = 90


@dataclass(frozen=True)
class Trial:
    """One model of a family and how far it came."""

    family: str
    config: str
    parts: str
    outcome: str

    @property
    def works(self) -> bool:
        """Whether it trained and predicted."""
        return self.outcome == TRAINS


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('family', nargs='*', help='only these families')
    parser.add_argument(
        '--size', type=int, default=128, help='side of the images (128)'
    )
    parser.add_argument(
        '--seconds',
        type=int,
        default=300,
        help='processor time that one model may take (300)',
    )
    parser.add_argument('--out', help='Markdown file; default: printed')
    return parser.parse_args(argv)


def families() -> list[str]:
    """List the folders of configs."""
    return sorted(
        path.name
        for path in CONFIGS.iterdir()
        if path.is_dir() and path.name != '_base_'
    )


def walk(node: Any) -> Iterator[dict]:
    """Yield every dictionary below a node."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list | tuple):
        for item in node:
            yield from walk(item)


def parts_of(model: dict) -> str:
    """Name the parts of a model."""
    names = [model['type']]
    for part in PARTS:
        nodes = model.get(part) or []
        for node in nodes if isinstance(nodes, list) else [nodes]:
            if node.get('type', '') not in names:
                names.append(node.get('type', ''))
    return ' + '.join(names)


def distinct_models(family: str) -> Iterator[tuple[str, str, Config | str]]:
    """Yield name, parts and config of each model; an error for a config."""
    seen = set()
    for path in sorted((CONFIGS / family).glob('*.py')):
        try:
            cfg = Config.fromfile(path)
        except Exception as error:
            parts, cfg = 'cannot be read', describe(error)
        else:
            parts = parts_of(cfg.model)
        if parts not in seen:
            seen.add(parts)
            yield path.stem, parts, cfg


def make_small(cfg: Config, size: int) -> dict:
    """Return a model config without pretrained weights, for one process."""
    model = cfg.model.to_dict()
    model['pretrained'] = None
    for node in walk(model):
        if (node.get('init_cfg') or {}) and 'checkpoint' in str(
            node['init_cfg']
        ):
            node['init_cfg'] = None
        if node.get('type') in ('SyncBN', 'MMSyncBN'):
            node['type'] = 'BN'
    if 'size' in (model.get('data_preprocessor') or {}):
        model['data_preprocessor']['size'] = (size, size)
    model['test_cfg'] = {**(model.get('test_cfg') or {}), 'mode': 'whole'}
    return model


def made_up_batch(model: dict, size: int) -> dict:
    """Return two images with labels, edges and depths."""
    classes = [n['num_classes'] for n in walk(model) if 'num_classes' in n]
    samples = []
    for _ in range(2):
        labels = torch.randint(0, min([*classes, 2]), (1, size, size))
        sample = SegDataSample(
            gt_sem_seg=PixelData(data=labels),
            gt_edge_map=PixelData(data=labels % 2),
            gt_depth_map=PixelData(data=torch.rand(1, size, size)),
        )
        sample.set_metainfo(
            {
                key: (size, size)
                for key in ('img_shape', 'ori_shape', 'pad_shape')
            }
        )
        samples.append(sample)
    images = [torch.randint(0, 255, (3, size, size)) for _ in samples]
    return dict(inputs=images, data_samples=samples)


def try_model(model_config: dict, size: int) -> None:
    """Build a model, take the gradient of its losses, and predict."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    DefaultScope.get_instance(f'{time.time()}', scope_name='mmseg')
    model = MODELS.build(Config(dict(model=model_config)).model)
    batch = made_up_batch(model_config, size)
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    if not any(p.grad is not None for p in model.parameters()):
        raise RuntimeError('no parameter got a gradient')
    model.eval()
    with torch.no_grad():
        predicted = model.test_step(made_up_batch(model_config, size))
    if len(predicted) != 2:
        raise RuntimeError(f'predicted {len(predicted)} of 2 images')


def describe(error: BaseException) -> str:
    """Return an error on one short line, the innermost that it has."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = f'{type(error).__name__}: {one_line(error)}'
    return text if len(text) <= WIDTH else f'{text[:WIDTH]}...'


def _child(pipe: Connection, model: dict, size: int, seconds: int) -> None:
    # Processor time: a busy machine must not make a model look broken.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    try:
        try_model(model, size)
        pipe.send(TRAINS)
    # Whatever a model raises is the result that is asked for.
    except Exception as error:
        pipe.send(describe(error))


def outcome_of(cfg: Config | str, size: int, seconds: int) -> str:
    """Try a model in a process of its own, which may crash or take long."""
    if isinstance(cfg, str):
        return cfg
    context = multiprocessing.get_context('fork')
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_child, args=(theirs, make_small(cfg, size), size, seconds)
    )
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        pass
    finally:
        process.join()
    if process.exitcode == -signal.SIGXCPU:
        return f'no result in {seconds} s of processor time'
    return f'the process ended with code {process.exitcode}'


def trials(family: str, args: argparse.Namespace) -> Iterator[Trial]:
    """Try each distinct model of a family, at the config's size if need be."""
    for name, parts, cfg in distinct_models(family):
        outcome = outcome_of(cfg, args.size, args.seconds)
        if outcome != TRAINS and isinstance(cfg, Config):
            crop = cfg.get('crop_size') or (args.size,)
            if crop[0] > args.size:
                outcome = outcome_of(cfg, crop[0], args.seconds)
        sys.stderr.write(f'{family}/{name}: {parts}: {outcome}\n')
        yield Trial(family, name, parts, outcome)


def row(found: Sequence[Trial]) -> str:
    """Return the row of a family: how many work, and why others do not."""
    works = sum(trial.works for trial in found)
    problems = dict.fromkeys(
        f'{trial.parts}: {trial.outcome}'.replace('|', '/')
        for trial in found
        if not trial.works
    )
    return f'| {found[0].family} | {works} of {len(found)} | ' + (
        f'{"; ".join(problems)} |'
    )


def table(found: Sequence[Sequence[Trial]]) -> str:
    """Return the whole table with the versions it holds for."""
    build = 'full' if check_ops_exist() else 'lite'
    total = [trial for family in found for trial in family]
    works = sum(trial.works for trial in total)
    lines = [
        f'mmsegmentation {mmseg.__version__}, mmengine '
        f'{mmengine.__version__}, {build} mmcv, torch {torch.__version__}, '
        f'slotkd {__version__}, CPU: {works} of {len(total)} distinct models '
        'train and predict.',
        '',
        '| family | models that run | what does not |',
        '| --- | --- | --- |',
        *map(row, found),
    ]
    return '\n'.join(lines) + '\n'


def main(argv: Sequence[str] | None = None) -> None:
    """Write the table."""
    args = parse_args(argv)
    unknown = set(args.family) - set(families())
    if unknown:
        raise SystemExit(f'no such family: {", ".join(sorted(unknown))}')
    chosen = args.family or families()
    found = [list(trials(family, args)) for family in chosen]
    text = table([family for family in found if family])
    if args.out is None:
        sys.stdout.write(text)
    else:
        write_atomically(text.encode(), args.out)


if __name__ == '__main__':
    main()
