"""Each data set base builds its loaders on a tiny tree of its layout."""

import os

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from slotkd.datasets.shard_lists import expand_ranges
from slotkd.registry import DATASETS, METRICS
from tests import ytvis_files
from tests.shards import members_of, movi_video, write_tar
from tests.tfrecords import movi_example, write_info, write_tfds

KEYS = {
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'val_evaluator',
    'test_evaluator',
    'test_pipeline',
}


@pytest.fixture
def load(repo):
    """Return a function that loads a base with one process and batch 2."""

    def load(name):
        path = repo / 'configs' / '_base_' / 'datasets' / f'{name}.py'
        cfg = Config.fromfile(path)
        cfg.train_dataloader.batch_size = 2
        for split in ('train', 'val', 'test'):
            cfg[f'{split}_dataloader'].num_workers = 0
            cfg[f'{split}_dataloader'].pop('persistent_workers', None)
        return cfg

    return load


def first_batch(loader_cfg):
    return next(iter(Runner.build_dataloader(loader_cfg, seed=0)))


def check(cfg, clip, video, *, num_objects):
    """Load one batch each and compare the shapes of inputs and masks."""
    assert set(cfg) >= KEYS
    train = first_batch(cfg.train_dataloader)
    assert [tuple(i.shape) for i in train['inputs']] == [clip, clip]
    loaders = [cfg.val_dataloader]
    if cfg.test_dataloader != cfg.val_dataloader:
        loaders.append(cfg.test_dataloader)
    for loader in loaders:
        assert loader.batch_size == 1
        assert loader.sampler == dict(
            type='DefaultSampler', shuffle=False, round_up=False
        )
        batch = first_batch(loader)
        (inputs,), (sample,) = batch['inputs'], batch['data_samples']
        assert tuple(inputs.shape) == video
        assert tuple(sample.gt_masks.shape) == (video[0], *video[2:])
        assert len(sample.gt_masks.unique()) == num_objects + 1
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        metric = METRICS.build(evaluator)
        assert metric.mask_size == video[2:]
        assert metric.num_frames in (None, video[0])
    return train


def test_moving_shapes(load):
    cfg = load('moving_shapes_32')
    masks = first_batch(cfg.val_dataloader)['data_samples'][0].gt_masks
    count = len(masks.unique()) - 1
    cfg.test_dataloader.dataset.seed = cfg.val_dataloader.dataset.seed
    check(cfg, (4, 3, 32, 32), (6, 3, 32, 32), num_objects=count)
    fresh = load('moving_shapes_32')
    seeds = {
        fresh[f'{split}_dataloader'].dataset.seed
        for split in ('train', 'val', 'test')
    }
    assert len(seeds) == 3


def write_arrays(path, length=24):
    path.parent.mkdir(parents=True, exist_ok=True)
    masks = np.zeros((length, 16, 16, 1), np.uint8)
    masks[:, 2:6, 2:6], masks[:, 8:14, 8:14] = 1, 2
    video = np.random.randint(0, 256, (length, 16, 16, 3)).astype(np.uint8)
    np.savez(path, video=video, segmentations=masks)


def video_of_objects(length=24):
    masks = np.zeros((length, 16, 16, 1), np.uint8)
    masks[:, 2:6, 2:6], masks[:, 8:14, 8:14] = 1, 2
    return dict(
        video=movi_video(0, length, 16, 16)['video'], segmentations=masks
    )


def write_shards(root, pattern, count, video):
    """Write all shards of a published list, a video in each."""
    names = list(expand_ranges(pattern))
    assert len(names) == count
    members = members_of('0', video)
    path = write_tar(root / names[0], members)
    for name in names[1:]:
        os.link(path, root / name)


@pytest.mark.parametrize('name', ['movi_c', 'movi_e'])
def test_movi(load, tmp_path, monkeypatch, name):
    assert load(name).train_dataloader.dataset.data_root == f'data/{name}'
    monkeypatch.setenv('SLOTKD_DATA_ROOT', str(tmp_path))
    for split, count in (('train', 305), ('validation', 8)):
        pattern = f'{name}-{split}-{{000000..{count - 1:06d}}}.tar'
        write_shards(tmp_path, pattern, count, video_of_objects())
    cfg = load(name)
    train = check(cfg, (4, 3, 336, 336), (24, 3, 336, 336), num_objects=2)
    for sample in train['data_samples']:
        assert sample.frame_ids[0] % 4 == 0
        assert 'gt_masks' not in sample
    assert len(DATASETS.build(cfg.train_dataloader.dataset)) == 305
    assert len(DATASETS.build(cfg.test_dataloader.dataset)) == 8


@pytest.mark.parametrize('name', ['movi_c', 'movi_e'])
def test_movi_of_tfds(load, tmp_path, monkeypatch, name):
    root = load(f'{name}_tfds').train_dataloader.dataset.data_root
    assert root == f'data/{name}/128x128/1.0.0'
    monkeypatch.setenv('SLOTKD_DATA_ROOT', str(tmp_path))
    write_info(tmp_path, name, dict(train=[1, 1], validation=[1]))
    features = movi_example('0', video_of_objects())
    write_tfds(tmp_path, 'train', [[features], [features]], name)
    write_tfds(tmp_path, 'validation', [[features]], name)
    cfg = load(f'{name}_tfds')
    train = check(cfg, (4, 3, 336, 336), (24, 3, 336, 336), num_objects=2)
    assert all(s.frame_ids[0] % 4 == 0 for s in train['data_samples'])
    assert cfg.train_pipeline == load(name).train_pipeline


def test_ytvis_tars(load, tmp_path, monkeypatch):
    monkeypatch.setenv('SLOTKD_DATA_ROOT', str(tmp_path))
    rng = np.random.default_rng(0)
    masks = np.zeros((9, 30, 50, 2), np.uint8)
    masks[:, 5:12, 14:20, 0], masks[:, 15:25, 25:35, 1] = 3, 3
    video = dict(
        video=rng.integers(0, 256, (9, 30, 50, 3), np.uint8),
        segmentations=masks,
    )
    for split, count in (('train', 84), ('validation', 30)):
        pattern = f'ytvis-{split}-{{000000..{count - 1:06d}}}.tar'
        write_shards(tmp_path, pattern, count, video)
    cfg = load('ytvis2021_tars')
    check(cfg, (4, 3, 518, 518), (9, 3, 518, 518), num_objects=2)
    assert cfg.val_evaluator == load('ytvis2021').val_evaluator


@pytest.mark.parametrize('name', ['video_arrays', 'physics_scenes_128'])
def test_video_arrays(load, tmp_path, monkeypatch, name):
    monkeypatch.setenv('SLOTKD_DATA_ROOT', str(tmp_path))
    write_arrays(tmp_path / 'train_1.npz', 9)
    write_arrays(tmp_path / 'validation_1.npz', 7)
    cfg = load(name)
    check(cfg, (4, 3, 128, 128), (7, 3, 128, 128), num_objects=2)


@pytest.mark.parametrize(
    ('name', 'frames', 'masks', 'splits', 'size'),
    [
        (
            'davis_folder',
            'JPEGImages/480p',
            'Annotations/480p',
            'ImageSets/2017',
            224,
        ),
        (
            'davis2017',
            'JPEGImages/480p',
            'Annotations_unsupervised/480p',
            'ImageSets/2017',
            518,
        ),
    ],
)
def test_folders(
    load, tmp_path, monkeypatch, name, frames, masks, splits, size
):
    monkeypatch.setenv('SLOTKD_DATA_ROOT', str(tmp_path))
    labels = np.zeros((30, 50), np.uint8)
    labels[5:12, 14:20], labels[15:25, 25:35] = 1, 2
    for split, length in (('train', 5), ('val', 3)):
        lists = tmp_path / splits
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f'{split}.txt').write_text(f'{split}-bear\n')
        for folder in (frames, masks):
            (tmp_path / folder / f'{split}-bear').mkdir(parents=True)
        for index in range(length):
            stem = f'{split}-bear/{index:05d}'
            image = np.random.randint(0, 256, (30, 50, 3)).astype(np.uint8)
            Image.fromarray(image).save(tmp_path / frames / f'{stem}.jpg')
            Image.fromarray(labels).save(tmp_path / masks / f'{stem}.png')
    train = check(
        load(name), (4, 3, size, size), (3, 3, size, size), num_objects=2
    )
    assert 'gt_masks' not in train['data_samples'][0]


def test_ytvis(load, tmp_path, monkeypatch):
    """303 videos that share frames and masks: 3 for training, 300 for val."""
    name = 'ytvis2021'
    root = load(name).train_dataloader.dataset.data_root
    assert root == 'data/ytvis_2021'
    monkeypatch.setenv('SLOTKD_DATA_ROOT', str(tmp_path))
    content = ytvis_files.ytvis({1: 4}, (30, 50))
    ytvis_files.write_frames(tmp_path / 'train' / 'JPEGImages', content)
    (video,), tracks = content['videos'], content['annotations']
    content['videos'] = [dict(video, id=i) for i in range(303, 0, -1)]
    content['annotations'] = [
        dict(track, id=2 * i + k, video_id=i)
        for i in range(1, 304)
        for k, track in enumerate(tracks)
    ]
    ytvis_files.write_json(tmp_path / 'train' / 'instances.json', content)
    cfg = load(name)
    train = check(cfg, (4, 3, 518, 518), (4, 3, 518, 518), num_objects=2)
    assert 'gt_masks' not in train['data_samples'][0]
    kept = DATASETS.build(cfg.train_dataloader.dataset)
    held_out = DATASETS.build(cfg.val_dataloader.dataset)
    assert [kept.video_info(i)['video_id'] for i in range(3)] == list('123')
    assert len(kept) == 3 and len(held_out) == 300
    assert held_out.video_info(0)['video_id'] == '4'


def test_ytvis_2019_is_read_as_2021(load):
    first, second = load('ytvis2019'), load('ytvis2021')
    assert first.val_dataloader.dataset.pop('data_root') == 'data/ytvis_2019'
    second.val_dataloader.dataset.pop('data_root')
    assert first.val_dataloader == second.val_dataloader
    assert 'subsets' not in first.test_evaluator


def test_coco(load, tmp_path, monkeypatch):
    monkeypatch.setenv('SLOTKD_DATA_ROOT', str(tmp_path))
    for split in ('train2017', 'val2017'):
        content = ytvis_files.coco(2, (30, 50))
        path = tmp_path / 'annotations' / f'instances_{split}.json'
        ytvis_files.write_json(path, content)
        ytvis_files.write_frames(tmp_path / split, content)
    cfg = load('coco_frames')
    train = check(cfg, (1, 3, 224, 224), (1, 3, 224, 224), num_objects=2)
    assert 'gt_masks' not in train['data_samples'][0]


def test_ytvis_reports_the_published_subset(load):
    evaluator = load('ytvis2021').val_evaluator
    assert evaluator.subsets == dict(first210=210)
    assert evaluator.background == 'none'
