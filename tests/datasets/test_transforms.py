import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from slotkd.datasets import PackVideoInputs, build_transforms


def clip(*, dtype=np.uint8):
    rng = np.random.default_rng(0)
    return dict(
        img=list(rng.integers(0, 256, (2, 4, 6, 3)).astype(dtype)),
        gt_seg_map=list(rng.integers(0, 9, (2, 4, 6)).astype(np.uint8)),
        video_id='bear',
        frame_ids=[3, 4],
        flip=True,
        scratch='not packed',
    )


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_values_and_order_are_kept(dtype):
    source = clip(dtype=dtype)
    item = PackVideoInputs()(source)
    assert item['inputs'].shape == (2, 3, 4, 6)
    assert item['inputs'].dtype == torch.from_numpy(source['img'][0]).dtype
    assert item['inputs'].is_contiguous()
    for t, c, y, x in [(0, 0, 0, 0), (1, 2, 3, 5), (1, 0, 2, 1)]:
        assert item['inputs'][t, c, y, x] == source['img'][t][y, x, c]
    masks = item['data_samples'].gt_masks
    assert masks.dtype == torch.int64
    np.testing.assert_array_equal(masks, np.stack(source['gt_seg_map']))


def test_metainfo_holds_what_is_known():
    sample = PackVideoInputs()(clip())['data_samples']
    assert sample.metainfo == dict(
        video_id='bear', frame_ids=[3, 4], flip=True, img_shape=(4, 6)
    )


def test_clip_without_labels_has_no_masks():
    source = clip()
    del source['gt_seg_map']
    assert 'gt_masks' not in PackVideoInputs()(source)['data_samples']


def test_shapes_that_do_not_fit_are_refused():
    source = clip()
    source['img'][1] = source['img'][1][:3]
    with pytest.raises(ValueError, match=r'bear.*\(4, 6, 3\) and \(3, 6, 3\)'):
        PackVideoInputs()(source)
    with pytest.raises(ValueError, match='no frame'):
        PackVideoInputs()(dict(clip(), img=[]))
    grey = [frame[..., 0] for frame in clip()['img']]
    with pytest.raises(ValueError, match=r'\(H, W, 3\), got \(4, 6\)'):
        PackVideoInputs()(dict(clip(), img=grey))
    masks = [mask[:, :5] for mask in clip()['gt_seg_map']]
    with pytest.raises(
        ValueError, match=r'\(2, 4, 5\) do not fit.*\(2, 4, 6\)'
    ):
        PackVideoInputs()(dict(clip(), gt_seg_map=masks))


def test_configs_are_built_without_a_default_scope():
    DefaultScope._instance_dict.clear()
    step, own = build_transforms([dict(type='PackVideoInputs'), len])
    assert isinstance(step, PackVideoInputs)
    assert own is len
