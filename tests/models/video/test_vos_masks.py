"""Samples without masks are refused; objects are counted."""

import pytest
import torch

from slotkd.models.video.vos_masks import (
    count_objects,
    true_masks,
    with_masks,
)
from slotkd.structures import VideoDataSample


def sample(masks=None):
    made = VideoDataSample(metainfo=dict(video_id='bear'))
    if masks is not None:
        made.gt_masks = masks
    return made


def test_void_is_no_object():
    masks = torch.tensor([[[0, 2, 255]], [[255, 0, 0]]])
    assert count_objects(masks).tolist() == [2, 0]


def test_masks_are_stacked():
    masks = torch.randint(0, 3, (4, 5, 6))
    assert torch.equal(true_masks([sample(masks), sample(masks)])[1], masks)


@pytest.mark.parametrize(
    ('samples', 'message'),
    [
        (None, 'no data_samples are given'),
        ([], 'no data_samples are given'),
        ([sample()], 'video bear has no gt_masks'),
    ],
)
def test_masks_must_be_there(samples, message):
    with pytest.raises(ValueError, match=message):
        with_masks(samples)
