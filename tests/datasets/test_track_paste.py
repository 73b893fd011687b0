"""Geometry, borders and occlusion of pasted tracks."""

import numpy as np
import pytest

from slotkd.datasets.track_paste import (
    PasteOptions,
    blend,
    border_deviation,
    border_share,
    boxes_of,
    occluded,
    ping_pong,
    place_track,
    shifted,
)

PLAIN = PasteOptions(flip=0, scale=(1, 1), jitter=0)


def moving_square(frames=4, size=(40, 60), side=12):
    masks = np.zeros((frames, *size), bool)
    images = np.full((frames, *size, 3), 50, np.uint8)
    for t in range(frames):
        masks[t, 10 : 10 + side, 5 + 4 * t : 5 + 4 * t + side] = True
    images[masks] = (200, 100, 20)
    return images, masks


def test_ping_pong_reflects_at_both_ends():
    assert ping_pong(np.arange(8), 3).tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert ping_pong(np.arange(3), 1).tolist() == [0, 0, 0]
    assert ping_pong(np.array([3, 5]), 9).tolist() == [3, 5]


def test_border_share():
    masks = np.zeros((2, 4, 6), bool)
    masks[1, 0, :4] = True
    assert border_share(masks) == 4 / 16
    masks[1, 1:3, 1:5] = True
    assert border_share(masks) == 4 / 16


@pytest.mark.parametrize('corner', [(1, 2), (-1, 3), (3, -2), (9, 0)])
def test_shifted_is_a_slow_copy(corner):
    images = np.arange(1, 25, dtype=np.uint8).reshape(1, 4, 6)
    result = shifted(images, corner, (5, 5))
    for row in range(5):
        for column in range(5):
            y, x = row - corner[0], column - corner[1]
            inside = 0 <= y < 4 and 0 <= x < 6
            expected = images[0, y, x] if inside else 0
            assert result[0, row, column] == expected


def test_boxes():
    masks = np.zeros((2, 5, 6), bool)
    masks[0, 1:3, 2:6] = True
    assert boxes_of(masks).tolist() == [[2, 1, 6, 3], [0, 0, 0, 0]]
    assert boxes_of(masks[:0]).shape == (0, 4)


@pytest.mark.parametrize('seed', range(6))
def test_one_place_for_all_frames(seed):
    """The motion of the source is kept to the pixel."""
    rng = np.random.default_rng(seed)
    frames, masks = moving_square()
    pixels, placed = place_track(rng, frames, masks, (40, 60), PLAIN)
    assert (pixels[placed] == (200, 100, 20)).all()
    whole = [t for t in range(4) if placed[t].sum() == 12 * 12]
    lefts = boxes_of(placed)[whole, 0]
    np.testing.assert_array_equal(np.diff(lefts), 4 * np.diff(whole))
    assert placed.sum() >= 0.5 * masks.sum()


def test_twice_the_short_side_is_twice_the_size_and_motion():
    frames, masks = moving_square()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        _, placed = place_track(rng, frames, masks, (80, 120), PLAIN)
        if (placed.sum(axis=(1, 2)) == 4 * 144).all():
            assert np.diff(boxes_of(placed)[:, 0]).tolist() == [8] * 3
            return
    pytest.fail('no seed kept the track inside')


def test_flip_turns_the_motion():
    frames, masks = moving_square()
    options = PasteOptions(flip=1, scale=(1, 1), jitter=0)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        _, placed = place_track(rng, frames, masks, (40, 60), options)
        if (placed.sum(axis=(1, 2)) == 144).all():
            assert np.diff(boxes_of(placed)[:, 0]).tolist() == [-4] * 3
            return
    pytest.fail('no seed kept the track inside')


def test_scale_is_drawn_and_gives_way_to_the_box():
    frames, masks = moving_square()
    areas = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        _, placed = place_track(rng, frames, masks, (40, 60), PasteOptions())
        areas.append(placed.sum(axis=(1, 2)).max())
    assert 144 * 1.5 < max(areas) <= 144 * 1.5**2 * 1.1
    # 2 % of the frame is 48 pixels, more than a quarter of 144.
    assert 0.9 * 48 / 2 <= min(areas) < 100
    tight = PasteOptions(box_area=(0.25, 0.4), flip=0)
    _, placed = place_track(
        np.random.default_rng(0), frames, masks, (40, 60), tight
    )
    left, top, right, bottom = boxes_of(placed)[1]
    assert (right - left) <= 26 and (bottom - top) <= 26


def test_colour_changes_alike_in_all_frames():
    frames, masks = moving_square()
    options = PasteOptions(flip=0, scale=(1, 1), jitter=0.1)
    rng = np.random.default_rng(1)
    pixels, placed = place_track(rng, frames, masks, (40, 60), options)
    colours = np.unique(pixels[placed], axis=0)
    assert len(colours) == 1 and colours.tolist() != [[200, 100, 20]]


def test_nothing_to_place():
    frames, masks = moving_square()
    rng = np.random.default_rng(0)
    assert place_track(rng, frames, masks & False, (40, 60), PLAIN) is None


def test_blend_is_soft_at_the_border_only():
    frame = np.zeros((20, 20, 3), np.uint8)
    pixels = np.full_like(frame, 200)
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    mixed = blend(frame, pixels, mask, 1.0)
    assert mixed[10, 10, 0] == 200 and mixed[0, 0, 0] == 0
    assert 0 < mixed[4, 10, 0] < mixed[5, 10, 0] < 200
    hard = blend(frame, pixels, mask, 0.0)
    np.testing.assert_array_equal(hard[..., 0], 200 * mask)


def test_a_soft_border_is_of_the_tracks_colour():
    """No dark rim, though the track is cut out by its own box."""
    frames = np.full((3, 40, 60, 3), 200, np.uint8)
    masks = np.zeros((3, 40, 60), bool)
    masks[:, 12:28, 20:40] = True
    options = PasteOptions(blur=9, jitter=0)  # a deviation of one pixel
    blur = border_deviation((40, 60), options)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        pixels, placed = place_track(rng, frames, masks, (40, 60), options)
        for t in range(3):
            mixed = blend(frames[t], pixels[t], placed[t], blur)
            assert mixed.min() >= 199


def test_occlusion_rules():
    masks = np.zeros((4, 10, 10), bool)
    masks[0, :5] = True  # 50 pixels, loses 46: 8 % are left
    masks[1, 5:, :] = True  # keeps all
    masks[2, 0, :4] = True  # tiny, loses nothing
    masks[3, :5, :] = True
    front = np.zeros((10, 10), bool)
    front[:5] = True
    front[0, :4] = False
    left, seen = occluded(masks, front, PasteOptions(min_pixels=0))
    assert seen.tolist() == [False, True, True, False]
    assert not (left & front).any()
    front[:, 5:] = False  # half of 0 and 3 is left
    kept = occluded(masks, front, PasteOptions(min_pixels=28))[1]
    assert kept.tolist() == [True, True, True, True]
    kept = occluded(masks, front, PasteOptions(min_pixels=30))[1]
    assert kept.tolist() == [False, True, True, False]
