import numpy as np
import pytest
import torch

from slotkd.evaluation.slot_tracks import (
    occlusion_splits,
    slot_scores,
    slots_as_tracks,
)
from slotkd.evaluation.tracks import track_ious
from slotkd.ops.vis_annotations import VisTrack, VisVideo

VIDEO = VisVideo(id=7, length=3, size=(6, 5))


def test_scores_are_mean_probabilities_where_a_slot_wins():
    probabilities = torch.tensor(
        [[[0.9, 0.2, 0.5], [0.1, 0.7, 0.3], [0.0, 0.1, 0.2]]]
    )
    scores = slot_scores(probabilities.clamp(min=1e-9).log())
    assert scores.tolist() == pytest.approx([0.7, 0.7, 0], abs=1e-6)


def _sample(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return dict(
        pred_masks=torch.randint(0, 3, (3, 6, 5), generator=generator),
        mask_logits=torch.randn(3, 4, 9, generator=generator),
    )


def test_slots_become_tracks_of_their_pixels():
    sample = _sample()
    results = slots_as_tracks(sample, VIDEO)
    assert len(results) == 3  # slot 3 wins no pixel
    scores = slot_scores(sample['mask_logits']).tolist()
    assert [r['score'] for r in results] == scores[:3]
    masks = sample['pred_masks']
    assert [r['track'].pixels for r in results] == [
        int((masks == k).sum()) for k in range(3)
    ]
    tracks = [r['track'] for r in results]
    np.testing.assert_array_equal(track_ious(tracks, tracks), np.eye(3))


def test_what_is_missing_or_misfits_is_named():
    for name in ('pred_masks', 'mask_logits'):
        sample = _sample()
        del sample[name]
        with pytest.raises(ValueError, match=f"video '7' has no {name}"):
            slots_as_tracks(sample, VIDEO)
    sample = _sample()
    sample['pred_masks'] = sample['pred_masks'][..., :4]
    with pytest.raises(
        ValueError, match=r'\(3, 6, 4\), .* \(3, 6, 5\); .*with_masks=False'
    ):
        slots_as_tracks(sample, VIDEO)


def _track(ann_id, *levels):
    names = dict(n='no_occlusion', s='slight_occlusion', v='severe_occlusion')
    return VisTrack(
        id=ann_id,
        video_id=1,
        category_id=1,
        segmentations=[None] * len(levels),
        occlusion=[names.get(level) for level in levels],
    )


def test_occlusion_is_judged_by_the_worse_half_of_the_frames():
    tracks = [
        _track(1, *'nnnn'),
        _track(2, *'nnss'),  # 0.25
        _track(3, *'nnsv'),  # 0.5
        _track(4, *'nvv'),  # 0.75
        _track(5, 'v', None, None),
        _track(6, *'nnnv'),  # 0.375
    ]
    splits = occlusion_splits({1: tracks[:3], 2: tracks[3:]})
    assert splits == dict(so=[1, 2], mo=[3, 6], ho=[4, 5])


def test_missing_and_unknown_levels_are_named():
    with pytest.raises(ValueError, match='annotation 8 has no level'):
        occlusion_splits({1: [_track(8, None)]})
    strange = VisTrack(
        id=9,
        video_id=1,
        category_id=1,
        segmentations=[None],
        occlusion=['half'],
    )
    with pytest.raises(ValueError, match="annotation 9 has unknown .*'half'"):
        occlusion_splits({1: [strange]})
