"""Shrinks any shipped config until it trains in a second on made-up data.

Numbers shrink by their key, wherever they stand, so a new config needs
nothing here unless it brings a key or a data set of another kind.
"""

import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config

from slotkd.registry import MODELS
from tests import shards, toy_vis, toy_vos, ytvis_files

# Widths by which parts must agree map to widths by which they still agree.
WIDTHS = {64: 8, 128: 16, 384: 24, 512: 20, 768: 36, 1024: 28}
WIDTH_KEYS = {
    'feat_dim',
    'hidden_dims',
    'out_dim',
    'slot_dim',
    'student_dim',
    'teacher_dim',
    'token_dim',
}
ARCHS = {
    'small': dict(embed_dim=24, depth=2, num_heads=3),
    'base': dict(embed_dim=36, depth=2, num_heads=3),
}
CELLS = 3
FRAMES = 6
# What a value becomes as a whole. Of two videos a range leaves one.
WHOLE = dict(
    arch=ARCHS.__getitem__,
    grid=lambda node: (CELLS, CELLS),
    subsets=lambda node: dict.fromkeys(node, 1),
    video_range=lambda node: node and [v and v // abs(v) for v in node],
)


def shrink(cfg: Config, folder: Path) -> Config:
    """Return a toy version of a config.

    Args:
        cfg: A shipped config.
        folder: Where the toy data and the toy teacher go.
    """
    if toy_vis.is_query_config(cfg):
        return toy_vis.shrink(cfg, folder)
    if toy_vos.is_vos(cfg):
        return _finish(toy_vos.shrink(cfg, folder), folder)
    toy = Config(cfg.to_dict(), filename=cfg.filename)
    side = _side(cfg)
    toy.model = _shrink(cfg.model, side)
    for split in ('train', 'val', 'test'):
        loader = _shrink(cfg[f'{split}_dataloader'], side)
        loader.update(batch_size=2 if split == 'train' else 1, num_workers=0)
        loader.pop('persistent_workers', None)
        _write_data(loader.dataset, folder, side[1])
        toy[f'{split}_dataloader'] = loader
        if split != 'train':
            name = f'{split}_evaluator'
            toy[name] = _shrink(cfg[name], side)
    return _finish(toy, folder)


def _finish(toy: Config, folder: Path) -> Config:
    """Shorten the run, and give it a place, a name and a teacher."""
    toy.default_hooks.visualization.update(max_videos=1, long_side=32)
    toy.train_cfg.max_iters = 2
    toy.work_dir = str(folder / 'work')
    toy.experiment_name = f'toy-{zlib.crc32(str(folder).encode())}'
    toy.log_level = 'ERROR'
    _save_teacher(toy.model, folder)
    return toy


def parameters(model: dict) -> int:
    """Count the parameters of a model without allocating them.

    Its loss terms are left out: some try their options on numbers.
    """
    with torch.device('meta'):
        built = MODELS.build(_without_terms(model))
    return sum(p.numel() for p in built.parameters())


def _without_terms(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    return type(node)(
        {
            key: {} if key.endswith('losses') else _without_terms(value)
            for key, value in node.items()
        }
    )


def walk(node: Any):
    """Yield every dictionary below a node."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list | tuple):
        for item in node:
            yield from walk(item)


def _side(cfg: Config) -> tuple[int, int]:
    """Return the frame size of a config and that of its toy version."""
    size = cfg.val_evaluator['mask_size']
    grids = [d['grid'] for d in walk(cfg.model) if 'grid' in d]
    if not grids:
        return size, size
    return size, size // grids[0][0] * CELLS


def _shrink(node: Any, side: tuple[int, int], key: str = '') -> Any:
    if key in WHOLE:
        return WHOLE[key](node)
    if isinstance(node, dict):
        node = type(node)({k: _shrink(v, side, k) for k, v in node.items()})
        if (node.get('init_cfg') or {}).get('type') == 'Pretrained':
            node['init_cfg'] = None
            node['allow_random'] = True
        return node
    if key in WIDTH_KEYS and isinstance(node, list | tuple):
        return type(node)(WIDTHS.get(width, width) for width in node)
    if key in WIDTH_KEYS:
        return WIDTHS.get(node, node)
    if isinstance(node, list | tuple):
        return type(node)(_shrink(item, side, key) for item in node)
    if node == side[0] and key in ('size', 'short_side', 'mask_size'):
        return side[1]
    return dict(num_videos=4, num_frames=FRAMES, num_slots=4).get(key, node)


def _write_data(dataset: dict, folder: Path, side: int) -> None:
    """Write two videos in the layout that a data set reads."""
    writers = dict(
        MovingShapes=lambda *_: None,
        VideoFolderDataset=write_folders,
        VideoArrayDataset=_write_arrays,
        VideoTarDataset=_write_tars,
        YTVISDataset=_write_ytvis,
        CocoImageDataset=_write_coco,
    )
    kind = dataset['type']
    if kind not in writers:
        raise NotImplementedError(
            f'{__name__} cannot write data for {kind}; add a writer'
        )
    # One root for each split: a later one must not find earlier videos.
    name = f'data{zlib.crc32(str(sorted(dataset.items())).encode())}'
    dataset['data_root'] = str(folder / name)
    writers[kind](dataset, folder / name, side)
    if kind == 'MovingShapes':
        del dataset['data_root']


def _video(index: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(index)
    frames = rng.integers(0, 255, (FRAMES, side, side + 4, 3), np.uint8)
    labels = np.zeros((FRAMES, side, side + 4), np.uint8)
    labels[:, 4 : side // 2, 4 : side // 2] = 1
    labels[:, side // 2 :, side // 2 :] = 2
    return frames, labels


def write_folders(dataset: dict, root: Path, side: int) -> None:
    """Write videos as folders of images, with masks and a list."""
    names = ['left', 'right']
    for index, name in enumerate(names):
        for t, (frame, label) in enumerate(
            zip(*_video(index, side), strict=True)
        ):
            for folder, ending, image in (
                (dataset.get('frames_dir'), 'jpg', frame),
                (dataset.get('masks_dir'), 'png', label),
            ):
                if folder is not None:
                    path = root / folder / name / f'{t:05d}.{ending}'
                    path.parent.mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(path), image)
    if dataset.get('split'):
        split = root / dataset['split']
        split.parent.mkdir(parents=True, exist_ok=True)
        split.write_text('\n'.join(names) + '\n')


def _write_arrays(dataset: dict, root: Path, side: int) -> None:
    for index in range(2):
        frames, labels = _video(index, side)
        path = root / dataset['files'].replace('*', str(index))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, video=frames, segmentations=labels[..., None])


def _write_tars(dataset: dict, root: Path, side: int) -> None:
    """Write a video into each of two shards, in place of hundreds."""
    dataset['shards'] = 'toy-{0..1}.tar'
    for index in range(2):
        frames, labels = _video(index, side)
        video = dict(video=frames, segmentations=labels[..., None])
        members = shards.members_of(str(index), video)
        shards.write_tar(root / f'toy-{index}.tar', members)


def _write_ytvis(dataset: dict, root: Path, side: int) -> None:
    content = ytvis_files.ytvis({1: FRAMES, 2: FRAMES}, (side, side + 4))
    names = dataset['ann_file']
    name = names if isinstance(names, str) else names[0]
    ytvis_files.write_json(root / name, content)
    ytvis_files.write_frames(root / dataset['frames_dir'], content)


def _write_coco(dataset: dict, root: Path, side: int) -> None:
    content = ytvis_files.coco(2, (side, side + 4))
    ytvis_files.write_json(root / dataset['ann_file'], content)
    ytvis_files.write_frames(root / dataset['frames_dir'], content)


def _save_teacher(model: dict, folder: Path) -> None:
    if 'teacher_checkpoint' in model:
        path = folder / 'teacher.pth'
        torch.save(MODELS.build(model['teacher']).state_dict(), path)
        model['teacher_checkpoint'] = str(path)
