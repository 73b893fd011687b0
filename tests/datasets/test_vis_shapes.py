"""The made-up long tail: frequencies, masks, occlusion, seeds."""

import numpy as np
import pytest
from PIL import Image

from slotkd.datasets.vis_shapes import (
    CLASSES,
    LONG_TAIL,
    VisScene,
    draw_vis_video,
    vis_shapes,
)
from slotkd.ops.rle import decode_mask
from slotkd.ops.vis_annotations import read_annotations

SCENE = VisScene(num_frames=4)


def test_a_video():
    rng = np.random.default_rng(0)
    frames, masks, labels = draw_vis_video(rng, SCENE)
    assert frames.shape == (4, 64, 64, 3) and frames.dtype == np.uint8
    assert masks.shape == (len(labels), 4, 64, 64)
    assert masks.sum(axis=0).max() == 1  # what is hidden is not in the mask


def test_frequencies():
    rng = np.random.default_rng(0)
    scene = VisScene(num_frames=1, max_objects=4)
    drawn = np.zeros(4)
    for _ in range(400):
        labels = draw_vis_video(rng, scene)[2]
        drawn += np.bincount(labels, minlength=4)
    expected = np.array(LONG_TAIL) / sum(LONG_TAIL)
    np.testing.assert_allclose(drawn / drawn.sum(), expected, atol=0.05)


@pytest.mark.parametrize('label', range(4))
def test_each_class_is_drawn(label):
    frequencies = [int(k == label) for k in range(4)]
    scene = VisScene(num_frames=2, max_objects=1, frequencies=frequencies)
    frames, masks, labels = draw_vis_video(np.random.default_rng(1), scene)
    assert labels == [label]
    colourful = np.ptp(frames.astype(int), axis=-1)
    assert colourful[masks[0]].mean() > colourful[~masks[0]].mean() + 40


def test_objects_move_and_stay_inside():
    scene = VisScene(num_frames=12, max_objects=1)
    for seed in range(5):
        _, masks, _ = draw_vis_video(np.random.default_rng(seed), scene)
        areas = masks[0].sum(axis=(1, 2))
        assert areas.min() > 0.85 * areas.max()
        assert not np.array_equal(masks[0, 0], masks[0, 3])


def test_annotations_are_valid_and_tell_the_visible_pixels(tmp_path):
    content = vis_shapes(3, 4, SCENE, tmp_path, 'train')
    truth = read_annotations(content)
    assert truth.class_names == CLASSES
    rng = np.random.default_rng([3, 2])
    frames, masks, labels = draw_vis_video(rng, SCENE)
    tracks = truth.tracks[2]
    assert [t.category_id - 1 for t in tracks] == labels
    for track, tube in zip(tracks, masks, strict=True):
        for t in range(4):
            mask = decode_mask(track.segmentations[t], (64, 64))
            np.testing.assert_array_equal(mask, tube[t])
    name = truth.videos[2].file_names[1]
    np.testing.assert_array_equal(
        np.array(Image.open(tmp_path / name)), frames[1]
    )


def test_hidden_objects_are_absent(tmp_path):
    """With many large objects some are covered in some frame."""
    scene = VisScene(num_frames=6, max_objects=8, radius=(0.2, 0.3))
    content = vis_shapes(0, 12, scene, tmp_path, 'crowded')
    absent = [
        segmentation is None
        for track in content['annotations']
        for segmentation in track['segmentations']
    ]
    assert any(absent) and not all(absent)
    for track in content['annotations']:
        for area, box in zip(track['areas'], track['bboxes'], strict=True):
            assert (area is None) == (box is None)
            assert area is None or area >= 6


def test_one_seed_one_set(tmp_path):
    first = vis_shapes(5, 3, SCENE, tmp_path / 'a', 'x')
    second = vis_shapes(5, 4, SCENE, tmp_path / 'b', 'x')
    assert first['videos'] == second['videos'][:3]
    other = vis_shapes(6, 3, SCENE, tmp_path / 'c', 'x')
    assert first['annotations'] != other['annotations']


def test_refuses_what_cannot_be_drawn():
    with pytest.raises(ValueError, match=r'4 values >= 0, got \(1, 2\)'):
        VisScene(frequencies=(1, 2))
    with pytest.raises(ValueError, match='at least 1, got 0, 4 and 6'):
        VisScene(num_frames=0)
