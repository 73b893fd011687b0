"""Shrinks configs of mask propagation until they train in a second."""

import json
from pathlib import Path
from typing import Any

from mmengine.config import Config

from tests import toy_configs

KINDS = {'VosModel', 'ColorPropagation'}
SIDE = 33
SMALLER = dict(
    token_dim={64: 16, 96: 32, 128: 16, 256: 16},
    dims=dict.fromkeys([(16, 32, 48, 64), (24, 48, 72, 96)], (8, 8, 8, 16)),
    depth={50: 18},
    size=dict.fromkeys([96, 97, 129, 241, 257, 465], SIDE),
    min_size=dict.fromkeys([241, 257, 465], SIDE),
    short_side=dict.fromkeys([241, 256, 481, 624], SIDE),
    num_videos={16: 2, 64: 2, 50_000: 4},
    num_frames={5: 3, 4: 3},
    clip_len={4: 3},
    frame_stride={2: 1},
    min_pixels=dict.fromkeys([100, 200], 1),
    min_object_pixels=dict.fromkeys([40, 100], 1),
    radius={3: 1, 5: 1, 7: 1, 12: 2},
)


def is_vos(cfg: Config) -> bool:
    """Tell whether a config is one of mask propagation."""
    return any(d.get('type') in KINDS for d in toy_configs.walk(cfg.model))


def shrink(cfg: Config, folder: Path) -> Config:
    """Return a toy version of a config.

    Args:
        cfg: A shipped config.
        folder: Where the toy data and the toy teacher go.
    """
    toy = Config(cfg.to_dict(), filename=cfg.filename)
    toy.model = _shrink(cfg.model)
    if 'pseudo' in toy.model:  # an untrained teacher is sure of nothing
        toy.model.pseudo.update(
            conf_thr=0, clip_conf_thr=0, max_area_ratio=1e9
        )
    for split in ('train', 'val', 'test'):
        loader = _shrink(cfg[f'{split}_dataloader'])
        loader.update(batch_size=2 if split == 'train' else 1, num_workers=0)
        loader.pop('persistent_workers', None)
        for node in toy_configs.walk(loader.dataset):
            if node.get('type') == 'VideoFolderDataset':
                _write(node, folder)
        toy[f'{split}_dataloader'] = loader
    toy.load_from = None
    return toy


def _shrink(node: Any, key: str = '') -> Any:
    if isinstance(node, dict):
        node = type(node)({k: _shrink(v, k) for k, v in node.items()})
        if (node.get('init_cfg') or {}).get('type') == 'Pretrained':
            node['init_cfg'] = None
            if node['type'] != 'VosModel':
                node['allow_random'] = True
        return node
    if isinstance(node, list | tuple) and key != 'dims':
        return type(node)(_shrink(item, key) for item in node)
    smaller = SMALLER.get(key, {})
    name = tuple(node) if isinstance(node, list) else node
    return smaller.get(name, node) if smaller else node


def _write(dataset: dict, folder: Path) -> None:
    """Write two videos where a data set reads them."""
    root = folder / 'videos' / Path(dataset['data_root']).name
    dataset['data_root'] = str(root)
    toy_configs.write_folders(dataset, root, SIDE + 7)
    if 'meta_file' in dataset:
        stems = [f'{t:05d}' for t in range(toy_configs.FRAMES)]
        objects = {
            '1': dict(category='ape', frames=stems),
            '2': dict(category='cow', frames=stems),
        }
        meta = dict.fromkeys(['left', 'right'], dict(objects=objects))
        (root / dataset['meta_file']).write_text(json.dumps(dict(videos=meta)))
