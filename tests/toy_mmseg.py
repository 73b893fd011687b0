"""Shrinks the configs of configs/mmseg until they train in a second.

They are mmsegmentation's: its data sets, pipelines and heads, which know
nothing of the names that ``tests/toy_configs.py`` shrinks by.
"""

import functools
import zlib
from pathlib import Path
from typing import Any

import mmengine.config.utils
import numpy as np
import torch
from mmengine.config import Config
from PIL import Image

from slotkd.registry import MODELS
from tests import toy_configs

# Pixels: 512 becomes 40, which a ViT of patches of 14 enlarges to 42.
PIXEL_KEYS = {'crop_size', 'scale', 'size', 'stride'}
PIXELS = 12.8
# Widths of SegFormers; slot models shrink by their own table.
WIDTH_KEYS = {'embed_dims', 'in_channels', 'channels'}
SIDE = 48

# Each ``mmseg::`` base makes mmengine parse 53 files of its zoo. Tests that
# load several put this in the place of its reader.
read_metafile = functools.cache(mmengine.config.utils.load)


def shrink(cfg: Config, folder: Path) -> Config:
    """Return a toy version of a config.

    Args:
        cfg: A shipped config.
        folder: Where the toy data and the toy checkpoints go.
    """
    toy = Config(cfg.to_dict(), filename=cfg.filename)
    toy.model = shrink_model(cfg.model)
    # The runner hands this one to the model.
    toy.pop('data_preprocessor', None)
    for split in ('train', 'val', 'test'):
        loader = _shrink_pixels(cfg[f'{split}_dataloader'])
        loader.update(batch_size=2 if split == 'train' else 1, num_workers=0)
        loader.pop('persistent_workers', None)
        write_data(loader.dataset, folder / split)
        toy[f'{split}_dataloader'] = loader
    toy.train_cfg.update(max_iters=2, val_interval=2)
    toy.default_hooks.checkpoint.interval = 2
    toy.default_hooks.pop('visualization')
    toy.work_dir = str(folder / 'work')
    toy.experiment_name = f'toy-{zlib.crc32(str(folder).encode())}'
    toy.log_level = 'ERROR'
    save_checkpoints(toy.model, folder)
    return toy


def shrink_model(model: dict) -> dict:
    """Return a toy version of a model."""
    toy = _shrink_pixels(model)
    for node in toy_configs.walk(toy):
        if node.get('type') == 'SyncBN':
            node['type'] = 'BN'
        if (node.get('init_cfg') or {}).get('type') == 'Pretrained':
            node['init_cfg'] = None
    for net in _segmentors(toy):
        if net['backbone']['type'] == 'slotkd.SlotBackbone':
            _shrink_slots(net)
        elif net['backbone']['type'] == 'MixVisionTransformer':
            net['backbone']['num_layers'] = [1, 1, 1, 1]
            for part in ('backbone', 'decode_head', 'auxiliary_head'):
                _shrink_widths(net.get(part, {}))
    return toy


def _segmentors(model: dict) -> list[dict]:
    if 'student' not in model:
        return [model]
    return [model['student'], model['teacher']]


def _shrink_slots(net: dict) -> None:
    slots = net['backbone']['model']
    if slots['backbone']['type'] != 'DinoViT':
        return
    small = toy_configs._shrink(slots, (518, 42))
    small['backbone']['img_size'] = 42
    net['backbone']['model'] = small
    head = net['decode_head']
    widths = [toy_configs.WIDTHS[width] for width in head['in_channels']]
    head['in_channels'] = widths
    head['channels'] = 8 if head['num_convs'] else sum(widths)


def _shrink_widths(part: dict) -> None:
    for key in WIDTH_KEYS & part.keys():
        if key == 'in_channels' and part[key] == 3:
            continue
        value = part[key]
        part[key] = (
            [width // 8 for width in value]
            if isinstance(value, list | tuple)
            else value // 8
        )


def _shrink_pixels(node: Any, key: str = '') -> Any:
    if isinstance(node, dict):
        return type(node)({k: _shrink_pixels(v, k) for k, v in node.items()})
    if isinstance(node, list | tuple):
        return type(node)(_shrink_pixels(item, key) for item in node)
    if key in PIXEL_KEYS and isinstance(node, int) and node >= 256:
        return round(node / PIXELS)
    return node


def write_data(dataset: dict, root: Path) -> None:
    """Write two images and their labels in the layout of a data set."""
    dataset['data_root'] = str(root)
    kind = dataset['type'].rpartition('.')[2]
    if kind == 'ShapeSegDataset':
        dataset['num_images'] = 2
        return
    prefix = dataset['data_prefix']
    image, labels = {
        'PascalVOCDataset': ('{}.jpg', '{}.png'),
        'ADE20KDataset': ('{}.jpg', '{}.png'),
        'CityscapesDataset': (
            '{}_leftImg8bit.png',
            '{}_gtFine_labelTrainIds.png',
        ),
    }[kind]
    rng = np.random.default_rng(zlib.crc32(str(root).encode()))
    names = ['first', 'second']
    for name in names:
        pixels = rng.integers(0, 255, (SIDE, SIDE + 16, 3), np.uint8)
        classes = np.zeros((SIDE, SIDE + 16), np.uint8)
        classes[: SIDE // 2] = 7
        classes[:, :9] = 3
        for folder, pattern, values in (
            (prefix['img_path'], image, pixels),
            (prefix['seg_map_path'], labels, classes),
        ):
            path = root / folder / pattern.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(path)
    if dataset.get('ann_file'):
        path = root / dataset['ann_file']
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(names) + '\n')


def save_checkpoints(model: dict, folder: Path) -> None:
    """Save random weights where a toy model names a file."""
    for node, key, part, scope in (
        (model, 'teacher_checkpoint', model.get('teacher'), 'mmseg'),
        (
            model.get('backbone', {}),
            'checkpoint',
            model.get('backbone', {}).get('model'),
            'slotkd',
        ),
    ):
        if key in node:
            path = folder / f'{scope}.pth'
            built = MODELS.build(dict(part, _scope_=scope))
            torch.save(built.state_dict(), path)
            node[key] = str(path)
