"""Tracks of a video: geometry, ranking, masks, pictures, streams."""

import pytest
import torch

from slotkd.models.queries.tracker import FrameQueries, OnlineTracker
from slotkd.models.queries.video_result import (
    MaskGeometry,
    best_classes,
    frame_tracks,
    label_maps,
    restore_masks,
    track_table,
    video_tracks,
)
from slotkd.ops.rle import decode_mask

SAME = MaskGeometry(padded=(8, 8), image=(8, 8), original=(8, 8))


def test_masks_lose_the_padding_and_get_the_size_on_disk():
    logits = -torch.ones(1, 4, 4)
    logits[0, :2, :2] = 1
    geometry = MaskGeometry(padded=(16, 16), image=(8, 16), original=(4, 32))
    mask = restore_masks(logits, geometry)[0]
    assert mask.shape == (4, 32)
    assert mask[:, :14].all() and not mask[:, 18:].any()
    none = restore_masks(logits[:0], geometry)
    assert none.shape == (0, 4, 32)


def test_table_joins_queries_by_identity():
    ids = torch.tensor([[5, 2, -1], [2, -1, 5], [-1, 2, -1]])
    logits = torch.arange(18.0).reshape(3, 3, 2)
    table = track_table(ids, logits)
    assert table.ids.tolist() == [2, 5]
    assert table.query.tolist() == [[1, 0], [0, 2], [1, -1]]
    torch.testing.assert_close(
        table.cls_logits,
        torch.stack(
            [
                (logits[0, 1] + logits[1, 0] + logits[2, 1]) / 3,
                (logits[0, 0] + logits[1, 2]) / 2,
            ]
        ),
    )


def test_best_classes_leave_no_object_out():
    logits = torch.tensor([[2.0, 0, 9], [1, 3, 0]])
    scores, tracks, labels = best_classes(logits, topk=3)
    assert tracks.tolist() == [1, 1, 0] and labels.tolist() == [1, 0, 0]
    assert scores[0] == logits[1].softmax(0)[1]
    assert len(best_classes(logits, topk=10)[0]) == 4
    assert len(best_classes(logits[:0], topk=10)[0]) == 0


def video():
    """Return two tracks; the second is absent in frame 1, empty in 2."""
    ids = torch.tensor([[0, 1], [0, -1], [1, 0]])
    logits = torch.tensor([[[4.0, 0, 0], [0, 3, 0]]]).expand(3, -1, -1).clone()
    logits[2] = logits[2].flip(0)
    masks = -torch.ones(3, 2, 8, 8)
    masks[:2, 0, :4] = 1
    masks[0, 1, 4:] = 1
    masks[2, 1, :4] = 1  # track 0 is query 1 in the last frame
    return track_table(ids, logits), masks


def test_tracks_of_a_video():
    table, masks = video()
    tracks = video_tracks(table, masks, SAME, topk=2)
    assert [t['category_id'] for t in tracks] == [1, 2]
    assert [t['track_id'] for t in tracks] == [0, 1]
    assert tracks[0]['score'] > tracks[1]['score']
    first = [decode_mask(s, (8, 8)).sum() for s in tracks[0]['segmentations']]
    assert first == [32, 32, 32]
    second = tracks[1]['segmentations']
    assert decode_mask(second[0], (8, 8))[4:].all()
    assert second[1] is None and second[2] is None
    renamed = video_tracks(table, masks, SAME, topk=2, category_ids=[7, 9])
    assert [t['category_id'] for t in renamed] == [7, 9]


def test_a_video_without_tracks():
    table = track_table(torch.full((2, 3), -1), torch.zeros(2, 3, 4))
    assert video_tracks(table, torch.zeros(2, 3, 8, 8), SAME, topk=5) == []
    assert not label_maps(table, torch.zeros(2, 3, 8, 8), (8, 8)).any()


def test_label_maps_show_sure_tracks():
    table, masks = video()
    maps = label_maps(table, masks, (8, 8))
    assert maps[0, :3].eq(1).all() and maps[0, 5:].eq(2).all()
    assert maps[1, 5:].eq(0).all()
    unsure = label_maps(table, masks, (8, 8), score_thr=0.95)
    assert not unsure.eq(2).any()


def test_objects_of_a_streams_frame():
    tracker = OnlineTracker('last')
    logits = torch.tensor([[9.0, 0, 0], [0, 9, 0], [0, 0, 9], [9, 0, 0]])
    masks = -torch.ones(4, 8, 8)
    masks[0, :4], masks[1, 4:] = 1, 1  # query 3 is sure and empty
    state = None
    for order in (torch.arange(4), torch.tensor([1, 0, 2, 3])):
        queries = FrameQueries(
            embeds=torch.eye(4)[order],
            cls_logits=logits[order],
            mask_logits=masks[order],
        )
        ids, state = tracker.step(queries, state)
        found = frame_tracks(ids, state, queries.mask_logits, SAME, 0.3)
        assert found.ids.tolist() == [0, 1]
        assert found.labels.tolist() == [0, 1]
        assert found.masks[0, :4].all() and found.masks[1, 4:].all()
        assert found.scores == pytest.approx([1, 1], abs=1e-3)
