"""Clips made of one image: identity, affine cases, smoothness."""

import numpy as np
import pytest

from slotkd.datasets import WarpToClip
from slotkd.datasets.warp_clip import affine_matrix, bend_field, warp

STILL = dict(degrees=0, translate=0, scale=0, shear=0, bend=0)


def ramp(height=21, width=31):
    y, x = np.mgrid[:height, :width]
    return np.stack([5 * x, 7 * y, x + y], -1).astype(np.uint8)


def flat(height=21, width=31):
    return np.zeros((height, width, 2))


def test_no_motion_is_the_image():
    image = ramp()
    same = warp(image, affine_matrix(0, 1, 0, (0, 0)), flat(), nearest=False)
    np.testing.assert_array_equal(same, image)


def test_a_shift_moves_what_is_seen():
    image = ramp()
    shift = (2 / 20 * 2, 3 / 30 * 2)  # 2 down, 3 right, in half sides
    moved = warp(image, affine_matrix(0, 1, 0, shift), flat(), nearest=True)
    np.testing.assert_array_equal(moved[2:, 3:], image[:-2, :-3])


def test_a_quarter_turn_of_a_square():
    image = ramp(21, 21)
    matrix = affine_matrix(np.pi / 2, 1, 0, (0, 0))
    turned = warp(image, matrix, flat(21, 21), nearest=True)
    options = [np.rot90(image, k) for k in (1, -1)]
    assert any((turned == option).mean() > 0.99 for option in options)


def test_scale_enlarges_what_is_seen():
    mask = np.zeros((41, 41), np.uint8)
    mask[15:26, 15:26] = 1
    matrix = affine_matrix(0, 1.5, 0, (0, 0))
    grown = warp(mask, matrix, flat(41, 41), nearest=True)
    assert grown.sum() == pytest.approx(1.5**2 * mask.sum(), rel=0.1)


def test_the_spline_meets_its_points_and_is_exact_for_planes():
    offsets = np.random.default_rng(0).normal(size=(4, 4, 2))
    field = bend_field(offsets, (34, 51))
    assert field.shape == (34, 51, 2)
    corners = field[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(
        corners, offsets[[0, 0, -1, -1], [0, -1, 0, -1]], atol=1e-6
    )
    side = np.linspace(-1, 1, 4)
    plane = np.stack(np.meshgrid(side, side, indexing='ij'), -1)
    field = bend_field(plane, (34, 51))
    np.testing.assert_allclose(
        field[:, 0, 0], np.linspace(-1, 1, 34), atol=1e-6
    )


def make(**options):
    image = ramp(64, 64)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:40] = 3
    results = dict(img=[image], gt_seg_map=[mask], frame_ids=[5])
    return WarpToClip(6, **options).transform(results)


def test_motion_grows_evenly_from_none():
    np.random.seed(0)
    clip = make(translate=0.2, **{k: 0 for k in STILL if k != 'translate'})
    assert len(clip['img']) == len(clip['gt_seg_map']) == 6
    assert clip['frame_ids'] == [5] * 6
    np.testing.assert_array_equal(clip['img'][0], ramp(64, 64))
    centres = np.array(
        [np.argwhere(m == 3).mean(axis=0) for m in clip['gt_seg_map']]
    )
    steps = np.diff(centres, axis=0)
    assert np.abs(steps - steps.mean(axis=0)).max() < 1
    assert 0.5 < np.abs(centres[-1] - centres[0]).max() < 13.5


def test_image_and_labels_move_together():
    np.random.seed(1)
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:40, 20:40] = 200
    mask = (image[..., 0] > 0).astype(np.uint8)
    results = dict(img=[image], gt_seg_map=[mask], frame_ids=[0])
    clip = WarpToClip(4, bend=0.05).transform(results)
    for frame, labels in zip(clip['img'], clip['gt_seg_map'], strict=True):
        differ = (frame[..., 0] > 100) != (labels == 1)
        assert differ.mean() < 0.02
        assert set(np.unique(labels)) <= {0, 1}
    assert np.any(clip['gt_seg_map'][3] != mask)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='scale=1.5'):
        WarpToClip(4, scale=1.5)
    two = dict(img=[ramp(), ramp()], frame_ids=[0, 1], video_id='bear')
    with pytest.raises(ValueError, match='video bear comes with 2'):
        WarpToClip(4).transform(two)
