import numpy as np
import pytest
import torch
import torch.nn.functional as F

from slotkd.datasets import (
    CenterCropVideo,
    FrameGeometry,
    RandomCropVideo,
    RandomFlipVideo,
    ResizeVideo,
)


def whole(height, width):
    return FrameGeometry.from_results(dict(ori_shape=(height, width)))


def blocky_clip(seed=0, height=40, width=60, cell=10):
    """Return a clip of one frame that carries its own labels."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 200, (height // cell, width // cell))
    labels = np.kron(coarse, np.ones((cell, cell))).astype(np.uint8)
    return dict(
        img=[np.repeat(labels[..., None], 3, axis=2)],
        gt_seg_map=[labels],
        ori_shape=(height, width),
        img_shape=(height, width),
    )


def test_untouched_frame_gives_its_labels_back():
    labels = torch.randint(0, 5, (2, 7, 9))
    geometry = whole(7, 9)
    assert geometry.is_whole
    torch.testing.assert_close(geometry.masks_to_original(labels), labels)


def test_soft_maps_agree_with_torch_where_the_frame_is_whole():
    maps = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    expected = F.interpolate(maps, (33, 47), mode='bilinear').argmax(1)
    actual = whole(33, 47).masks_to_original(maps)
    torch.testing.assert_close(actual, expected)
    squashed = whole(33, 47).resize((8, 8))
    torch.testing.assert_close(squashed.masks_to_original(maps), expected)


def test_labels_agree_with_nearest_exact():
    labels = torch.randint(0, 9, (1, 5, 6))
    expected = F.interpolate(
        labels.double()[None], (33, 47), mode='nearest-exact'
    )
    actual = whole(33, 47).masks_to_original(labels)
    torch.testing.assert_close(actual, expected[0].long())


def test_crop_and_flip_by_hand():
    geometry = whole(2, 4).crop((0, 0, 2, 2), (2, 4)).mirror()
    labels = torch.tensor([[[1, 2], [3, 4]]])
    expected = torch.tensor([[[2, 1, 9, 9], [4, 3, 9, 9]]])
    back = geometry.masks_to_original(labels, fill=9)
    torch.testing.assert_close(back, expected)
    assert back.dtype == labels.dtype


def test_cropping_a_mirrored_image_keeps_the_other_side():
    geometry = whole(1, 4).mirror().crop((0, 0, 1, 1), (1, 4))
    back = geometry.masks_to_original(torch.tensor([[[7]]]), fill=0)
    torch.testing.assert_close(back, torch.tensor([[[0, 0, 0, 7]]]))


CHAINS = [
    [ResizeVideo(30)],
    [ResizeVideo(short_side=80), CenterCropVideo(80)],
    [CenterCropVideo(), ResizeVideo(20)],
    [CenterCropVideo(), ResizeVideo(80), RandomCropVideo((50, 60))],
    [RandomFlipVideo(1), RandomCropVideo(25), ResizeVideo((75, 50))],
    [ResizeVideo((80, 90)), RandomCropVideo(64), RandomFlipVideo(1)],
    [RandomCropVideo(30), RandomFlipVideo(1), CenterCropVideo(20)],
]


@pytest.mark.parametrize('chain', CHAINS)
@pytest.mark.parametrize('soft', [False, True])
def test_every_chain_is_undone(chain, soft):
    clip = blocky_clip()
    np.random.seed(3)
    results = clip
    for step in chain:
        results = step(results)
    labels = torch.from_numpy(np.stack(results['gt_seg_map']).astype(int))
    masks = (
        F.one_hot(labels, 200).permute(0, 3, 1, 2).float() if soft else labels
    )
    back = FrameGeometry.from_results(results).masks_to_original(masks)
    true = torch.from_numpy(clip['gt_seg_map'][0].astype(int))[None]
    seen = back != 255
    assert seen.float().mean() > 0.1
    # Only block edges may differ, by the rounding of two resizings.
    assert (back == true)[seen].float().mean() > 0.9
    assert labels.unique().tolist() == true[seen].unique().tolist()


def test_unseen_pixels_are_void_and_make_up_the_rest():
    geometry = whole(40, 60).crop((10, 0, 40, 40), (40, 60))
    back = geometry.masks_to_original(torch.zeros(1, 2, 8, 8))
    assert (back == 255).float().mean() == pytest.approx(1 / 3)
    assert not back[:, :, 10:50].any()


def test_record_survives_the_results_and_lists():
    geometry = whole(40, 60).resize((20, 20)).crop((1, 2, 10, 12), (20, 20))
    results = geometry.mirror().as_results()
    assert FrameGeometry.from_results(results) == geometry.mirror()
    results['crop_box'] = list(results['crop_box'])
    assert FrameGeometry.from_results(results) == geometry.mirror()
