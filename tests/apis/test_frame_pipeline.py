"""Frames and masks go through the test pipeline of a config."""

import numpy as np
import pytest
from mmengine.config import Config

from slotkd.apis.frame_pipeline import build_test_pipeline, pack_frames

PACK = dict(type='PackVideoInputs')


def pipeline(*steps):
    cfg = Config(dict(default_scope='slotkd', test_pipeline=list(steps)))
    return build_test_pipeline(cfg)


def test_masks_go_with_their_frames():
    steps = pipeline(dict(type='ResizeVideo', size=(8, 12)), PACK)
    frames = np.zeros((1, 16, 24, 3), np.uint8)
    masks = np.zeros((1, 16, 24), np.uint8)
    masks[0, :8] = 3
    packed = pack_frames(
        steps, frames, video_id='bear', config_name='a.py', masks=masks
    )
    sample = packed['data_samples']
    assert packed['inputs'].shape == (1, 3, 8, 12)
    assert sample.gt_masks[0, :4].unique().tolist() == [3]
    assert sample.gt_masks[0, 4:].unique().tolist() == [0]
    assert (sample.video_id, sample.ori_shape) == ('bear', (16, 24))


def test_without_masks_there_are_none():
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    packed = pack_frames(
        pipeline(PACK), frames, video_id='a', config_name='a.py'
    )
    assert 'gt_masks' not in packed['data_samples']


def test_a_pipeline_must_pack():
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match='a.py: test_pipeline must end'):
        pack_frames([], frames, video_id='a', config_name='a.py')


@pytest.mark.parametrize(
    ('cfg', 'message'),
    [
        (dict(), 'test_pipeline is missing'),
        (dict(test_pipeline=[dict(type='Resiz')]), 'test_pipeline: .*Resiz'),
    ],
)
def test_wrong_pipelines(cfg, message):
    with pytest.raises(ValueError, match=message):
        build_test_pipeline(Config(dict(default_scope='slotkd', **cfg)))
