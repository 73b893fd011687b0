"""Random enlargement of clips."""

import numpy as np
import pytest

from slotkd.datasets import RandomScaleVideo


def clip(height=40, width=60):
    frames = [np.zeros((height, width, 3), np.uint8)] * 2
    masks = [np.ones((height, width), np.uint8)] * 2
    return dict(img=frames, gt_seg_map=masks, ori_shape=(height, width))


def test_one_factor_for_all_frames_within_the_range():
    np.random.seed(0)
    factors = []
    for _ in range(50):
        results = RandomScaleVideo((0.5, 2)).transform(clip())
        shapes = {image.shape[:2] for image in results['img']}
        shapes |= {mask.shape for mask in results['gt_seg_map']}
        (shape,) = shapes
        assert results['resized_shape'] == results['img_shape'] == shape
        factors.append(shape[0] / 40)
    assert min(factors) < 0.6 and max(factors) > 1.7
    assert 0.8 < np.median(factors) < 1.25


def test_a_crop_always_fits():
    for size in (39, 40, 55):
        scale = RandomScaleVideo((0.5, 0.6), min_size=size)
        assert scale.transform(clip())['img'][0].shape[0] == size


def test_impossible_values_are_refused():
    with pytest.raises(ValueError, match=r'scale=\(2, 1\)'):
        RandomScaleVideo((2, 1))
    with pytest.raises(ValueError, match='min_size=0'):
        RandomScaleVideo(min_size=0)
