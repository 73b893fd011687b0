"""Shrinks a query model's config until it trains in a second."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from slotkd.ops.vis_annotations import read_annotations
from slotkd.ops.vis_frames import vis_as_frames
from slotkd.registry import MODELS
from tests.vis_files import write_squares

# Numbers by their key, wherever they stand.
SMALL = dict(
    base_channels=4,
    depth=18,
    embed_dims=16,
    feat_channels=16,
    feedforward_channels=16,
    in_channels=[4, 8, 16, 32],
    num_feats=8,
    num_groups=4,
    num_heads=2,
    num_layers=1,
    num_queries=6,
    num_workers=0,
    out_channels=16,
    scale=(64, 48),
    scales=[(64, 48), (48, 36)],
    student_dim=16,
    teacher_dim=16,
)
POINTS = 32
# MobileNetV2 keeps its width.
KEPT = [24, 32, 96, 320]


def is_query_config(cfg: Config) -> bool:
    """Tell whether a config trains a query model."""
    return cfg.train_dataloader.dataset.type == 'VisClips'


def shrink(cfg: Config, folder: Path) -> Config:
    """Return a toy version of a config of a query model.

    Args:
        cfg: A shipped config.
        folder: Where the toy data and the toy teacher go.
    """
    toy = Config(_small(cfg.to_dict()), filename=cfg.filename)
    classes = next(
        d['num_classes'] for d in _dicts(toy.model) if 'num_classes' in d
    )
    kinds = [[1, 2], [3, 1], [2]]
    truth = write_squares(
        folder / 'data',
        [[min(kind, classes) for kind in video] for video in kinds],
        categories=classes,
    )
    frames = truth.with_name('frames.json')
    frames.write_text(json.dumps(vis_as_frames(read_annotations(truth))))
    _point(toy._cfg_dict, truth, frames, folder)
    for split in ('train', 'val', 'test'):
        loader = toy[f'{split}_dataloader']
        loader.pop('persistent_workers', None)
        loader.batch_size = 2 if split == 'train' else 1
    toy.default_hooks.visualization.update(max_videos=1, long_side=32)
    toy.train_cfg.max_iters = toy.train_cfg.val_interval = 2
    toy.work_dir = str(folder / 'work')
    toy.experiment_name = f'toy-{zlib.crc32(str(folder).encode())}'
    toy.log_level = 'ERROR'
    if 'teacher_checkpoint' in toy.model:
        path = folder / 'teacher.pth'
        teacher = MODELS.build(toy.model.teacher)
        torch.save(teacher.state_dict(), path)
        toy.model.teacher_checkpoint = str(path)
    return toy


def _dicts(node: Any) -> Iterator[dict]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _dicts(value)


def _small(node: Any, key: str = '') -> Any:
    if key == 'init_cfg':
        return None
    if key == 'num_points' and node > POINTS:
        return POINTS
    if key in SMALL and node != KEPT:
        return SMALL[key]
    if isinstance(node, dict):
        small = {k: _small(v, k) for k, v in node.items()}
        if node.get('type') == 'mmdet.ResNet':
            small['base_channels'] = SMALL['base_channels']
        return small
    if isinstance(node, list | tuple):
        return type(node)(_small(item) for item in node)
    return node


def _point(node: Any, truth: Path, frames: Path, folder: Path) -> None:
    """Point every part that reads or writes files at the toy's."""
    if isinstance(node, list | tuple):
        for item in node:
            _point(item, truth, frames, folder)
    if not isinstance(node, dict):
        return
    kind = node.get('type')
    if kind == 'VisClips':
        node['ann_file'] = str(frames)
    elif kind in ('MinorPaste', 'VideoInstanceMetric'):
        node['ann_file'] = str(truth)
    elif kind == 'VideoResultWriter':
        node['out_file'] = str(folder / 'results.json')
    if kind in ('VisClips', 'MinorPaste'):
        node['frames_root'] = str(truth.parent)
    for value in node.values():
        _point(value, truth, frames, folder)
