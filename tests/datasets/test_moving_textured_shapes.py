"""The synthetic videos as a data set."""

import numpy as np
import pytest
import torch

from slotkd.datasets import MovingTexturedShapes
from slotkd.registry import DATASETS


def test_video_depends_on_seed_and_index_alone():
    first = MovingTexturedShapes(4, seed=3)
    again = MovingTexturedShapes(40, seed=3)
    again[0], again[1]
    np.random.seed(9)
    for key in ('img', 'gt_seg_map'):
        np.testing.assert_array_equal(first[2][key], again[2][key])
    for other in (first[1], MovingTexturedShapes(4, seed=4)[2]):
        assert np.any(np.array(other['img']) != np.array(first[2]['img']))


def test_every_fourth_video_has_a_late_object():
    videos = MovingTexturedShapes(8, seed=1)
    late = [
        max(m.max() for m in video['gt_seg_map'])
        > video['gt_seg_map'][0].max()
        for video in (videos[index] for index in range(8))
    ]
    assert late == [False, False, False, True] * 2


def test_clips_are_parts_of_their_video():
    whole = MovingTexturedShapes(2, seed=1)[1]
    clips = MovingTexturedShapes(
        2, seed=1, clip_len=4, frame_stride=2, clip_mode='all'
    )
    assert len(clips) == 2
    clip = clips[1]
    assert clip['frame_ids'] == [0, 2, 4, 6]
    np.testing.assert_array_equal(clip['img'], whole['img'][0:8:2])
    np.testing.assert_array_equal(
        clip['gt_seg_map'], whole['gt_seg_map'][0:8:2]
    )


def test_registered_dataset_packs():
    dataset = DATASETS.build(
        dict(
            type='MovingTexturedShapes',
            num_videos=3,
            pipeline=[
                dict(type='ResizeVideo', size=97),
                dict(type='PackVideoInputs'),
            ],
        )
    )
    item = dataset[0]
    assert item['inputs'].shape == (12, 3, 97, 97)
    assert item['inputs'].dtype == torch.uint8
    sample = item['data_samples']
    assert sample.gt_masks.shape == (12, 97, 97)
    assert sample.video_id == 'textured0_000000'
    assert sample.ori_shape == (96, 96)


def test_impossible_values_are_refused():
    with pytest.raises(ValueError, match='num_videos=0 and seed=0'):
        MovingTexturedShapes(0)
    with pytest.raises(ValueError, match='size=3'):
        MovingTexturedShapes(1, size=3)
    with pytest.raises(TypeError, match='min_shape'):
        DATASETS.build(
            dict(type='MovingTexturedShapes', num_videos=1, min_shape=2)
        )
