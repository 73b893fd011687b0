"""Textured shapes: speed, order, late objects, determinism."""

from itertools import product

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from slotkd.datasets import TexturedScene, draw_textured_shapes


def draw(seed, late=False, **options):
    scene = TexturedScene(**options)
    return draw_textured_shapes(np.random.default_rng(seed), scene, late=late)


def centre(mask):
    return np.argwhere(mask).mean(axis=0)


def test_same_generator_same_clip():
    for a, b in zip(draw(3), draw(3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(draw(3)[0] != draw(4)[0])


def test_frames_and_labels():
    frames, labels = draw(0, num_frames=5, size=64, min_shapes=3)
    assert frames.shape == (5, 64, 64, 3) and frames.dtype == np.uint8
    assert labels.shape == (5, 64, 64) and labels.dtype == np.uint8
    assert set(np.unique(labels[0])) == {0, 1, 2, 3}


def test_no_shape_moves_faster_than_six_pixels():
    """The centre of the pixels is that of the shape where it is whole."""
    steps = []
    for seed in range(30):
        _, labels = draw(seed, min_shapes=1, max_shapes=1, zoom=0)
        masks = labels == 1
        rim = masks.copy()
        rim[:, 1:-1, 1:-1] = False
        whole = ~rim.any(axis=(1, 2))
        steps += [
            np.linalg.norm(centre(masks[t + 1]) - centre(masks[t]))
            for t in range(len(masks) - 1)
            if whole[t] and whole[t + 1]
        ]
    assert len(steps) > 100
    assert 4 < max(steps) < 6.3  # pixels are whole


def test_every_shape_is_seen_where_it_begins():
    for seed in range(20):
        _, labels = draw(seed, min_shapes=3)
        counts = [(labels[0] == label).sum() for label in (1, 2, 3)]
        assert min(counts) > 20, seed


def test_the_late_object_appears_in_the_second_third():
    for seed in range(10):
        for shapes in (1, 3):
            options = dict(min_shapes=shapes, max_shapes=shapes)
            _, labels = draw(seed, late=True, **options)
            last = max(shapes, 2)
            assert labels.max() == last
            first = int((labels == last).any(axis=(1, 2)).argmax())
            assert 4 <= first < 8
            assert set(np.unique(labels[0])) == set(range(last))


def test_texture_moves_with_its_shape():
    """Followed by its motion, the inside of a shape hardly changes."""
    options = dict(min_shapes=1, max_shapes=1, turn=0, zoom=0, noise=0)
    options |= dict(radius=(0.3, 0.3), speed=(0.05, 0.05), num_frames=2)
    steps = list(product(range(-6, 7), repeat=2))
    for seed in range(4):
        frames, labels = draw(seed, **options)
        first, second = frames.astype(float)
        inside = binary_erosion(labels[0] == 1, iterations=7)
        changes = {
            step: np.abs(
                np.roll(second, step, (0, 1))[inside] - first[inside]
            ).mean()
            for step in steps
        }
        best = min(changes, key=changes.get)
        assert 4 <= np.hypot(*best) <= 6  # 4.8 pixels
        assert changes[best] < 0.6 * changes[0, 0]


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(min_shapes=4, max_shapes=2), 'min_shapes=4 and max_shapes=2'),
        (dict(min_shapes=0), 'min_shapes=0'),
        (dict(num_frames=0), 'num_frames=0'),
        (dict(size=4), 'size=4'),
        (dict(radius=(0.3, 0.2)), r'radius .* \(0.3, 0.2\)'),
        (dict(speed=(0.3, 0.9)), r'speed .* \(0.3, 0.9\)'),
        (dict(noise=1.5), 'noise=1.5'),
        (dict(drift=-1), 'drift=-1'),
    ],
)
def test_impossible_scenes_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        TexturedScene(**options)
