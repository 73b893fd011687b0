"""Tracks from samples: identities, padding, key frames, misfits."""

import pytest
import torch

from slotkd.models.queries.track_targets import (
    has_tracks,
    key_frames,
    track_targets,
)
from tests.vis_samples import sample


def test_instances_are_joined_by_identity():
    clips = [sample([2, 0], absent=((0, 1),)), sample([1])]
    targets = track_targets(clips, (64, 64))
    assert targets.labels.tolist() == [[2, 0], [1, -1]]
    assert targets.masks.shape == (2, 2, 4, 64, 64)
    assert targets.ids[0].tolist() == [[1, -1, 1, 1], [2, 2, 2, 2]]
    assert targets.ids[1, 1].tolist() == [-1] * 4
    assert targets.visible[0].tolist() == [
        [True, False, True, True],
        [True] * 4,
    ]
    # Order within a frame does not matter.
    reversed_frame = clips[0][2].gt_instances
    clips[0][2].gt_instances = reversed_frame[torch.tensor([1, 0])]
    again = track_targets(clips, (64, 64))
    assert torch.equal(again.masks, targets.masks)


def test_samples_are_not_changed_and_may_be_read_again():
    clip = sample([2, 0])
    first = track_targets([clip], (64, 64))
    second = track_targets([clip], (64, 64))
    assert torch.equal(first.masks, second.masks)
    assert type(clip[0].gt_instances.masks).__name__ == 'BitmapMasks'


def test_masks_lie_at_the_upper_left_of_a_padded_input():
    targets = track_targets([sample([0], size=(40, 50))], (64, 96))
    assert targets.masks.shape[-2:] == (64, 96)
    assert targets.masks[0, 0, 0, :18, :18].all()
    assert targets.masks.sum() == 4 * 18 * 18


def test_no_track_at_all():
    targets = track_targets([sample([]), sample([])], (64, 64))
    assert targets.labels.shape == (2, 0)
    assert targets.masks.shape == (2, 0, 4, 64, 64)


def test_refuses_what_cannot_be_a_track():
    clip = sample([2, 0])
    clip[1].gt_instances.labels[0] = 1
    with pytest.raises(ValueError, match='clip 0, frame 1: instance 1 has cl'):
        track_targets([clip], (64, 64))
    clip = sample([2, 0])
    clip[1].gt_instances.instances_ids[0] = 2
    with pytest.raises(ValueError, match='instance 2 has class 2, before'):
        track_targets([clip], (64, 64))
    clip = sample([2, 2])
    clip[1].gt_instances.instances_ids[0] = 2
    with pytest.raises(ValueError, match='instance 2 occurs twice'):
        track_targets([clip], (64, 64))
    with pytest.raises(ValueError, match=r'\(64, 64\), the input \(32, 64\)'):
        track_targets([sample([0])], (32, 64))


def test_key_frames():
    clips = [sample([0], keys=[1, 3]), sample([0], keys=[0, 2])]
    assert key_frames(clips, 4).tolist() == [[1, 3], [0, 2]]
    assert key_frames([sample([0])], 4).tolist() == [[0, 1, 2, 3]]
    with pytest.raises(ValueError, match=r'one number of key .* \[2, 4\]'):
        key_frames([clips[0], sample([0])], 4)


def test_whether_samples_are_annotated():
    clip = sample([0])
    assert has_tracks([clip]) and not has_tracks(None)
    del clip[2].gt_instances.masks
    assert not has_tracks([clip])
