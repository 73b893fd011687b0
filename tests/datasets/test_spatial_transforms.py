import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv.transforms import TransformBroadcaster

from slotkd.datasets import (
    CenterCropVideo,
    MovingShapes,
    PackVideoInputs,
    RandomCropVideo,
    RandomFlipVideo,
    ResizeVideo,
)
from slotkd.datasets.spatial_transforms import resize_nearest
from slotkd.registry import TRANSFORMS


def clip(*, height=30, width=40, frames=3):
    """Return a clip whose frames and masks are all alike."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = rng.integers(0, 5, (height, width), dtype=np.uint8)
    return dict(
        video_id='bear',
        img=[image] * frames,
        gt_seg_map=[mask] * frames,
        seg_fields=['gt_seg_map'],
        ori_shape=(height, width),
        img_shape=(height, width),
    )


def all_alike(results):
    return all(
        np.array_equal(frame, results[key][0])
        for key in ('img', 'gt_seg_map')
        for frame in results[key]
    )


def test_bicubic_is_torchs_without_antialias():
    source = clip(height=12, width=16)
    results = ResizeVideo(33)(source)
    image = torch.from_numpy(source['img'][0]).permute(2, 0, 1)[None].double()
    expected = F.interpolate(image, (33, 33), mode='bicubic').clamp(0, 255)
    actual = torch.from_numpy(results['img'][0]).permute(2, 0, 1)[None]
    assert (actual - expected).abs().max() < 1
    assert results['img'][0].dtype == np.uint8


@pytest.mark.parametrize('shape', [(33, 33), (7, 5), (15, 20)])
def test_masks_take_the_nearest_pixel(shape):
    mask = clip()['gt_seg_map'][0]
    expected = F.interpolate(
        torch.from_numpy(mask)[None, None].double(),
        shape,
        mode='nearest-exact',
    )
    np.testing.assert_array_equal(
        resize_nearest(mask, shape), expected[0, 0].numpy()
    )


@pytest.mark.parametrize(
    ('source', 'expected'),
    [
        ((480, 854), (518, 921)),
        ((854, 480), (921, 518)),
        ((30, 30), (518, 518)),
    ],
)
def test_short_side_keeps_the_aspect_and_rounds_down(source, expected):
    results = ResizeVideo(short_side=518)(
        clip(height=source[0], width=source[1], frames=1)
    )
    assert results['img'][0].shape == (*expected, 3)
    assert results['gt_seg_map'][0].shape == expected
    assert results['resized_shape'] == results['img_shape'] == expected
    assert results['ori_shape'] == source


def test_random_crop_is_one_box_for_the_clip_and_varies_between_clips():
    np.random.seed(0)
    source = clip()
    boxes = set()
    for _ in range(20):
        results = RandomCropVideo((10, 12))(source)
        assert all_alike(results)
        x, y, w, h = (int(v) for v in results['crop_box'])
        assert (h, w) == results['img_shape'] == (10, 12)
        np.testing.assert_array_equal(
            results['img'][1], source['img'][1][y : y + h, x : x + w]
        )
        np.testing.assert_array_equal(
            results['gt_seg_map'][1],
            source['gt_seg_map'][1][y : y + h, x : x + w],
        )
        boxes.add((x, y))
    assert len(boxes) > 10


def test_random_crop_reaches_every_corner():
    np.random.seed(0)
    source = clip(height=3, width=4)
    corners = {RandomCropVideo(2)(source)['crop_box'][:2] for _ in range(200)}
    assert corners == {(x, y) for x in range(3) for y in range(2)}


def test_center_crop_takes_the_square_of_the_short_side():
    source = clip()
    results = CenterCropVideo()(source)
    assert results['crop_box'] == (5, 0, 30, 30)
    np.testing.assert_array_equal(results['img'][0], source['img'][0][:, 5:35])


def test_flip_mirrors_frames_and_masks_of_half_the_clips():
    np.random.seed(0)
    source = clip()
    flipped = 0
    for _ in range(100):
        results = RandomFlipVideo()(source)
        step = -1 if results['flip'] else 1
        flipped += results['flip']
        assert all_alike(results)
        for key in ('img', 'gt_seg_map'):
            np.testing.assert_array_equal(
                results[key][0], source[key][0][:, ::step]
            )
    assert 35 < flipped < 65


def test_input_and_missing_masks_are_left_alone():
    source = clip()
    before = source['img'][0].copy()
    del source['gt_seg_map']
    for step in (ResizeVideo(9), RandomCropVideo(9), RandomFlipVideo(1)):
        results = step(source)
        assert 'gt_seg_map' not in results
        np.testing.assert_array_equal(source['img'][0], before)
        assert 'flip' not in source


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match='bear has frames of 30x40.*31x31'):
        RandomCropVideo(31)(clip())
    with pytest.raises(ValueError, match='bear has frames of 30x40.*20x41'):
        CenterCropVideo((20, 41))(clip())
    with pytest.raises(ValueError, match='size=None and short_side=None'):
        ResizeVideo()
    with pytest.raises(ValueError, match='size=3 and short_side=4'):
        ResizeVideo(3, short_side=4)
    with pytest.raises(ValueError, match="interpolation='cubic'"):
        ResizeVideo(3, interpolation='cubic')
    with pytest.raises(ValueError, match=r'got \(1, 2, 3\)'):
        RandomCropVideo((1, 2, 3))
    with pytest.raises(ValueError, match='short_side=0'):
        ResizeVideo(short_side=0)
    with pytest.raises(ValueError, match='got 1.5'):
        RandomFlipVideo(1.5)


@pytest.mark.parametrize('seed', range(6))
def test_broadcaster_draws_once_for_mmcv_transforms(seed):
    """Image transforms of mmcv and mmseg treat all frames alike."""
    np.random.seed(seed)
    broadcast = TRANSFORMS.build(
        dict(
            type='TransformBroadcaster',
            mapping=dict(img='img', gt_seg_map='gt_seg_map'),
            auto_remap=True,
            share_random_params=True,
            transforms=[
                dict(type='RandomFlip', prob=0.5),
                dict(type='RandomResize', scale=(32, 24), ratio_range=(1, 2)),
                dict(type='mmseg.RandomCrop', crop_size=(16, 16)),
            ],
        )
    )
    assert isinstance(broadcast, TransformBroadcaster)
    results = broadcast(clip(frames=4))
    assert results['img'][0].shape == (16, 16, 3)
    assert results['gt_seg_map'][0].shape == (16, 16)
    assert all_alike(results)


def test_broadcast_clips_can_be_packed():
    pipeline = [
        dict(
            type='TransformBroadcaster',
            mapping=dict(img='img', gt_seg_map='gt_seg_map'),
            auto_remap=True,
            share_random_params=True,
            transforms=[dict(type='Resize', scale=(20, 10))],
        ),
        dict(type='PackVideoInputs'),
    ]
    item = MovingShapes(1, pipeline=pipeline)[0]
    assert item['inputs'].shape == (6, 3, 10, 20)
    assert item['data_samples'].img_shape == (10, 20)


def test_masks_can_stay_at_the_size_on_disk():
    source = clip(height=30, width=40)
    results = ResizeVideo(14, with_masks=False)(source)
    assert results['img'][0].shape == (14, 14, 3)
    np.testing.assert_array_equal(
        results['gt_seg_map'][0], source['gt_seg_map'][0]
    )
    packed = PackVideoInputs()(results)
    assert packed['inputs'].shape == (3, 3, 14, 14)
    assert packed['data_samples'].gt_masks.shape == (3, 30, 40)


def test_masks_at_the_size_on_disk_are_not_cropped():
    results = ResizeVideo(14, with_masks=False)(clip())
    with pytest.raises(
        ValueError, match='bear: masks of 30x40 .* frames of 14x14'
    ):
        CenterCropVideo(10)(results)
    cropped = CenterCropVideo(10)(clip())
    cropped['gt_seg_map'] = clip()['gt_seg_map']
    with pytest.raises(ValueError, match=r'\(3, 30, 40\) do not fit'):
        PackVideoInputs()(cropped)
