"""Shapes for segmentation: classes, files, mmsegmentation's transforms."""

import numpy as np
import pytest
from PIL import Image

from slotkd.datasets import ShapeScene, ShapeSegDataset, draw_moving_shapes
from slotkd.datasets.shape_scene import KINDS, draw_kinds_of_shapes
from slotkd.datasets.shape_segmentation import draw_shape_image
from slotkd.registry import DATASETS

SCENE = ShapeScene(num_frames=1, size=48, min_shapes=3, max_shapes=5)
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]


def build(folder, **options):
    config = dict(
        type='slotkd.ShapeSegDataset',
        data_root=str(folder),
        num_images=3,
        size=(24, 32),
        pipeline=PIPELINE,
        _scope_='mmseg',
    )
    return DATASETS.build(config | options)


def test_the_class_of_a_pixel_is_the_kind_of_its_shape():
    for seed in range(5):
        image, classes = draw_shape_image(np.random.default_rng(seed), SCENE)
        frames, labels, kinds = draw_kinds_of_shapes(
            np.random.default_rng(seed), SCENE
        )
        assert np.array_equal(image, frames[0])
        for label in range(len(kinds) + 1):
            expected = kinds[label - 1] + 1 if label else 0
            assert (classes[labels[0] == label] == expected).all()
    assert ShapeSegDataset.METAINFO['classes'] == ('background', *KINDS)


def test_the_kinds_change_nothing_about_clips():
    drawn = draw_moving_shapes(np.random.default_rng(3), SCENE)
    frames, labels, _ = draw_kinds_of_shapes(np.random.default_rng(3), SCENE)
    assert np.array_equal(drawn[0], frames)
    assert np.array_equal(drawn[1], labels)


def test_colour_says_nothing_about_the_class():
    """The mean hue of each class is that of all."""
    rng = np.random.default_rng(0)
    means = {kind: [] for kind in range(1, 6)}
    for _ in range(200):
        image, classes = draw_shape_image(rng, SCENE)
        for kind in means:
            pixels = image[classes == kind]
            if len(pixels):
                means[kind].append(pixels.mean(0))
    centre = np.mean([np.mean(found, 0) for found in means.values()], 0)
    for found in means.values():
        assert np.abs(np.mean(found, 0) - centre).max() < 20


def test_mmsegs_transforms_read_it(tmp_path):
    data = build(tmp_path)
    assert len(data) == 3 and data.metainfo['classes'][0] == 'background'
    assert len(data.metainfo['palette']) == len(data.metainfo['classes'])
    for index in range(3):
        item = data[index]
        sample = item['data_samples']
        flip = -1 if sample.flip else 1
        image = np.asarray(Image.open(sample.img_path))[:, ::flip]
        # mmcv loads blue, green, red.
        assert np.array_equal(
            item['inputs'].permute(1, 2, 0), image[..., ::-1]
        )
        labels = np.asarray(Image.open(sample.seg_map_path))[:, ::flip]
        assert np.array_equal(sample.gt_sem_seg.data[0], labels)
        assert image.shape == (24, 32, 3) and labels.max() <= 5


def test_images_are_drawn_once_and_depend_on_their_options(tmp_path):
    first = build(tmp_path)
    stamp = first.folder.stat().st_mtime_ns
    assert build(tmp_path).folder.stat().st_mtime_ns == stamp
    others = [
        build(tmp_path, **options)
        for options in (dict(seed=1), dict(noise=0.0), dict(num_images=2))
    ]
    folders = {data.folder for data in [first, *others]}
    assert len(folders) == 4
    assert sorted(folders) == sorted(tmp_path.iterdir())
    images = [np.asarray(Image.open(d.folder / '000000.png')) for d in others]
    assert not np.array_equal(images[0], images[2])


def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    def fail(rng, scene):
        raise RuntimeError('no')

    name = 'slotkd.datasets.shape_segmentation.draw_shape_image'
    monkeypatch.setattr(name, fail)
    with pytest.raises(RuntimeError, match='no'):
        build(tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_process_may_be_faster(tmp_path, monkeypatch):
    name = 'slotkd.datasets.shape_segmentation.draw_shape_image'
    folder = build(tmp_path / 'other').folder.name

    def draw(rng, scene):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / 'theirs').touch()
        return draw_shape_image(rng, scene)

    monkeypatch.setattr(name, draw)
    data = build(tmp_path)
    assert (data.folder / 'theirs').is_file()
    assert [p.name for p in tmp_path.glob('*.tmp')] == []


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_images=0), 'num_images=0 and seed=0'),
        (dict(seed=-1), 'seed=-1'),
        (dict(min_shapes=7), 'min_shapes=7 and max_shapes=4'),
        (dict(noise=2.0), r'noise=2.0 is outside \[0, 1\]'),
    ],
)
def test_wrong_options_are_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        build(tmp_path, **options)
