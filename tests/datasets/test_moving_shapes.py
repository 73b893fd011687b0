import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from slotkd.datasets import MovingShapes
from slotkd.registry import DATASETS


def test_clip_depends_on_seed_and_index_alone():
    first = MovingShapes(4, seed=3)
    again = MovingShapes(40, seed=3)
    again[0], again[1]
    np.random.seed(9)
    np.testing.assert_array_equal(first[2]['img'], again[2]['img'])
    np.testing.assert_array_equal(
        first[2]['gt_seg_map'], again[2]['gt_seg_map']
    )
    for other in (first[1], MovingShapes(4, seed=4)[2]):
        assert np.any(np.array(other['img']) != np.array(first[2]['img']))


def test_item_follows_the_results_dict():
    item = MovingShapes(2, num_frames=5, size=(20, 30))[1]
    assert [frame.shape for frame in item['img']] == [(20, 30, 3)] * 5
    assert [mask.shape for mask in item['gt_seg_map']] == [(20, 30)] * 5
    assert item['img'][0].dtype == np.uint8
    assert item['img'][0].flags['C_CONTIGUOUS']
    assert item['frame_ids'] == [0, 1, 2, 3, 4]
    assert item['ori_shape'] == item['img_shape'] == (20, 30)
    assert item['video_length'] == 5


def test_registered_dataset_packs_batches():
    dataset = DATASETS.build(
        dict(
            type='MovingShapes',
            num_videos=3,
            pipeline=[dict(type='PackVideoInputs')],
        )
    )
    assert len(dataset) == 3
    batch = pseudo_collate([dataset[0], dataset[1]])
    assert batch['inputs'][0].shape == (6, 3, 32, 32)
    assert batch['inputs'][0].dtype == torch.uint8
    sample = batch['data_samples'][1]
    assert sample.gt_masks.shape == (6, 32, 32)
    assert sample.gt_masks.dtype == torch.int64
    assert sample.video_id == 'shapes0_000001'


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(min_shapes=4, max_shapes=2), 'min_shapes=4 and max_shapes=2'),
        (dict(max_shapes=300), 'max_shapes=300'),
        (dict(num_frames=0), 'num_frames=0'),
        (dict(size=1), 'size=1'),
        (dict(motion='fly'), "motion='fly' is none of bounce, pass"),
        (dict(radius=(0.3, 0.2)), r'\(0.3, 0.2\)'),
        (dict(speed=(0.3, 0.2)), r'\(0.3, 0.2\)'),
        (dict(noise=1.5), 'noise=1.5'),
        (dict(texture=-1), 'texture=-1'),
    ],
)
def test_impossible_scenes_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        MovingShapes(2, **options)


def test_impossible_lengths_and_typos_are_refused():
    with pytest.raises(ValueError, match='num_videos=0 and seed=0'):
        MovingShapes(0)
    with pytest.raises(ValueError, match='num_videos=1 and seed=-1'):
        MovingShapes(1, seed=-1)
    with pytest.raises(TypeError, match='min_shape'):
        DATASETS.build(dict(type='MovingShapes', num_videos=1, min_shape=2))
