"""Each protocol loads, scores the truth as perfect, and runs on a model."""

import json
import runpy
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from slotkd.registry import DATASETS, METRICS, MODELS
from tests import toy_run, ytvis_files

FRAMES, HEIGHT, WIDTH = 4, 24, 32


@pytest.fixture
def protocols(repo):
    return repo / 'configs' / '_base_' / 'protocols'


def write_davis(root, masks='Annotations_unsupervised', year=2017):
    first, second = ytvis_files.disjoint(FRAMES)
    for name in ('bär', 'boat'):
        for t, labels in enumerate(first + 2 * second):
            for folder, image in (
                ('JPEGImages', np.full((HEIGHT, WIDTH, 3), 60 * t, np.uint8)),
                (masks, labels.astype(np.uint8)),
            ):
                ending = 'jpg' if image.ndim == 3 else 'png'
                path = root / folder / '480p' / name / f'{t:05d}.{ending}'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path)
    split = root / 'ImageSets' / str(year) / 'val.txt'
    split.parent.mkdir(parents=True)
    split.write_text('bär\nboat\n', encoding='utf-8')


def write_youtube_vos(root):
    write_davis(root)
    train = root / 'train'
    for folder in ('JPEGImages', 'Annotations_unsupervised'):
        (train / folder[:11]).parent.mkdir(exist_ok=True)
        (root / folder / '480p').rename(train / folder[:11])
    frames = [f'{t:05d}' for t in range(FRAMES)]
    objects = {
        '1': dict(category='cat', frames=frames),
        '2': dict(category='ape', frames=[frames[0], *frames[2:]]),
    }
    content = dict(videos={n: dict(objects=objects) for n in ('bär', 'boat')})
    ytvis_files.write_json(train / 'meta.json', content)
    (root / 'held_out.txt').write_text('bär\nboat\n', encoding='utf-8')


def write_ytvis(root, ann_file='train.json', frames='train/JPEGImages'):
    content = ytvis_files.ytvis({2: FRAMES, 9: FRAMES})
    for entry in content['annotations']:
        levels = [s and 'no_occlusion' for s in entry['segmentations']]
        entry['occlusion'] = levels
    ytvis_files.write_json(root / ann_file, content)
    ytvis_files.write_frames(root / frames, content)


def write_ovis(root):
    write_ytvis(root, 'annotations/annotations_train.json', 'train')


WRITERS = {
    'davis2017_unsupervised': write_davis,
    'davis2017_semi_supervised': lambda root: write_davis(root, 'Annotations'),
    'davis2016': lambda root: write_davis(root, 'Annotations', 2016),
    'youtube_vos': write_youtube_vos,
    'ytvis2021_slots': write_ytvis,
    'ytvis2021_class_agnostic_ap': write_ytvis,
    'ovis_slots': write_ovis,
    'ovis_class_agnostic_ap': write_ovis,
}
# Both videos instead of 300 and of 210, frames of 28 pixels instead of 518.
SMALL = {
    'video_range': lambda value: value and [-2, None],
    'first210': lambda value: 1,
    'size': lambda value: 28,
    'short_side': lambda value: 28,
    'mask_size': lambda value: 28,
    'unseen': lambda value: ['ape'],
}


def shrink(node, key=''):
    if key in SMALL:
        return SMALL[key](node)
    if isinstance(node, dict):
        return {k: shrink(v, k) for k, v in node.items()}
    if isinstance(node, list):
        return [shrink(item) for item in node]
    return node


@pytest.fixture
def load(protocols, tmp_path, monkeypatch):
    """Return a function that loads a small protocol on data of its layout."""

    def load(name, write=True):
        monkeypatch.setenv('SLOTKD_DATA_ROOT', str(tmp_path))
        if write:
            WRITERS[name](tmp_path)
        cfg = Config.fromfile(protocols / f'{name}.py')
        return Config(shrink(cfg.to_dict()))

    return load


def evaluators(cfg):
    config = cfg.test_evaluator
    for one in config if isinstance(config, list) else [config]:
        yield METRICS.build(one)


@pytest.mark.parametrize('name', sorted(WRITERS))
def test_the_truth_as_prediction_is_perfect(load, name):
    cfg = load(name)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    scores = {}
    for metric in evaluators(cfg):
        for item in dataset:
            sample = item['data_samples']
            sample.pred_masks = sample.gt_masks.clone()
            logits = torch.zeros(FRAMES, 3, 3)
            logits[:, 0, 0], logits[:, 1, 1], logits[:, 2, 2] = 1, 3, 2
            sample.set_field(logits, 'mask_logits')
            metric.process(None, [sample.to_dict()])
        scores |= metric.evaluate(len(dataset))
    wanted = {
        key: value
        for key, value in scores.items()
        if key.split('/')[-1].removeprefix('first210_')
        in ('fg_ari', 'mbo', 'miou', 'jf_mean', 'g', 'AP', 'AP_so')
    }
    assert wanted
    assert set(wanted.values()) == {1.0}
    if 'slots' in name and 'ytvis' in name:
        assert {'first210_mbo', 'mbo', 'slot_jf'} <= scores.keys()


def test_davis_masks_keep_their_size(load):
    cfg = load('davis2017_unsupervised')
    item = DATASETS.build(cfg.test_dataloader.dataset)[0]
    assert item['inputs'].shape == (FRAMES, 3, 28, 28)
    assert item['data_samples'].gt_masks.shape == (FRAMES, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('ytvis2021_ap', {}),
        ('ovis_ap', dict(splits='occlusion')),
        ('ytvis2022_ap', dict(long_videos=True)),
    ],
)
def test_tracks_with_classes(load, tmp_path, name, options):
    write_ytvis(tmp_path, 'held_out.json')
    (tmp_path / 'long_videos.txt').write_text('9\n')
    cfg = load(name, write=False)
    assert options.keys() <= cfg.test_evaluator.keys()
    (metric,) = evaluators(cfg)
    content = json.loads((tmp_path / 'held_out.json').read_text())
    for video in (2, 9):
        tracks = [
            dict(entry, score=1.0)
            for entry in content['annotations']
            if entry['video_id'] == video
        ]
        sample = dict(video_id=str(video), pred_tracks=tracks)
        metric.process(None, [sample])
    scores = metric.evaluate(2)
    assert scores['AP'] == 1
    assert scores.get('AP_so', 1) == scores.get('long_AP', 1) == 1


@pytest.fixture
def test_tool(repo, tmp_path, monkeypatch, capfd):
    """Return a function that runs test.py on a toy slot model."""
    cfg = toy_run.config()
    path = toy_run.dump(cfg, tmp_path / 'toy.py')
    model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'toy.pth')

    def run(*arguments):
        argv = ['test.py', path, tmp_path / 'toy.pth', *arguments]
        argv += ['--work-dir', tmp_path / 'work']
        argv += ['--out', tmp_path / 'scores.json']
        monkeypatch.setattr(sys, 'argv', [str(a) for a in argv])
        monkeypatch.chdir(tmp_path)
        code = 0
        try:
            runpy.run_path(str(repo / 'tools/test.py'), run_name='__main__')
        except SystemExit as stop:
            code = int(stop.code or 0)
        if code:
            return code, capfd.readouterr().err
        return code, json.loads((tmp_path / 'scores.json').read_text())

    return run


PIPELINE = 'test_dataloader.dataset.pipeline'


def test_a_slot_model_is_scored_on_whole_frames(
    test_tool, protocols, tmp_path, monkeypatch
):
    monkeypatch.setenv('SLOTKD_DATA_ROOT', str(tmp_path))
    write_davis(tmp_path)
    code, scores = test_tool(
        *('--protocol', protocols / 'davis2017_unsupervised.py'),
        *('--cfg-options', f'{PIPELINE}.0.size=16'),
        'test_dataloader.num_workers=0',
    )
    assert code == 0
    assert 0 < scores['j_mean'] < 1
    assert 'jf_mean' in scores and 'fg_ari' not in scores


def test_slots_have_an_ap_without_classes(
    test_tool, protocols, tmp_path, monkeypatch
):
    monkeypatch.setenv('SLOTKD_DATA_ROOT', str(tmp_path))
    write_ytvis(tmp_path)
    arguments = [
        *('--protocol', protocols / 'ytvis2021_class_agnostic_ap.py'),
        *('--cfg-options', f'{PIPELINE}.0.size=16'),
        'test_dataloader.num_workers=0',
        'test_dataloader.dataset.video_range=(-2,None)',
        'test_evaluator.video_range=(-2,None)',
    ]
    code, message = test_tool(*arguments)
    assert code == 2
    assert 'no mask_logits; set keep_maps=True of the model' in message
    code, scores = test_tool(*arguments, 'model.keep_maps=True')
    assert code == 0
    assert 0 <= scores['AP'] <= scores['AR100'] <= 1


def test_a_file_without_metrics_is_no_protocol(test_tool, protocols, tmp_path):
    (tmp_path / 'empty.py').write_text("default_scope = 'slotkd'\n")
    code, message = test_tool('--protocol', tmp_path / 'empty.py')
    assert code == 2
    assert 'empty.py has no test_evaluator' in message
    code, message = test_tool('--protocol', 'absent.py')
    assert code == 2
    assert 'absent.py does not exist' in message
