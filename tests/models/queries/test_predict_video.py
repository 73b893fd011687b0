"""What predictions leave on a sample."""

import numpy as np
import pytest
import torch

from slotkd.models.queries.predict_video import predict_video
from slotkd.ops.rle import decode_mask
from tests.vis_samples import SIZE, sample

SURE = 10.0


def perfect(labels, queries=4, classes=3, frames=4):
    """Return class logits, masks and embeddings that show a sample's truth."""
    cls = torch.full((frames, queries), classes)
    cls[:, : len(labels)] = torch.tensor(labels)
    cls = SURE * torch.nn.functional.one_hot(cls, classes + 1).float()
    masks = torch.full((frames, queries, *SIZE), -SURE)
    for t in range(frames):
        for o in range(len(labels)):
            masks[t, o, 20 * o : 20 * o + 18, 3 * t : 3 * t + 18] = SURE
    embeds = torch.eye(queries).expand(frames, -1, -1)
    return cls, masks, embeds


def predict(clip, labels, ids=None, **options):
    cls, masks, embeds = perfect(labels)
    ids = torch.arange(4).expand(4, -1) if ids is None else ids
    given = dict(padded=SIZE, topk=2, category_ids=None, embeds=embeds)
    return predict_video(clip, ids, cls, masks, **given | options)


def test_tracks_label_map_and_video_id():
    done = predict(sample([2, 0], video_id=9), [2, 0])
    assert done.video_id == 9
    tracks = sorted(done.pred_tracks, key=lambda t: t['track_id'])
    assert [t['category_id'] for t in tracks] == [3, 1]
    for o, track in enumerate(tracks):
        for t, rle in enumerate(track['segmentations']):
            truth = done[t].gt_instances.masks.masks[o].astype(bool)
            assert (decode_mask(rle, SIZE) == truth).all()
    truth = done[3].gt_instances.masks.masks
    assert (done.pred_masks[3].numpy() == truth[0] + 2 * truth[1]).all()
    assert 'association' in done.to_dict()


def test_masks_have_the_size_on_disk():
    clip = sample([0])
    for frame in clip.video_data_samples:
        frame.set_metainfo(dict(img_shape=(32, 64), ori_shape=(64, 128)))
        frame.gt_instances.masks = frame.gt_instances.masks.crop(
            np.array([0, 0, 64, 32])
        )
    done = predict(clip, [0])
    (track,) = [t for t in done.pred_tracks if t['track_id'] == 0][:1]
    assert track['segmentations'][0]['size'] == [64, 128]
    mask = decode_mask(track['segmentations'][0], (64, 128))
    assert mask[:30, :30].all() and mask.sum() == pytest.approx(36**2, rel=0.1)
    assert done.pred_masks.shape == (4, 32, 64)


def test_association_counts_kept_identities():
    ids = torch.arange(4).expand(4, -1).clone()
    ids[2:] = torch.tensor([1, 0, 2, 3])  # both objects swap once
    done = predict(sample([2, 0], absent=((0, 1),)), [2, 0], ids)
    numbers = done.association
    assert (numbers['kept'], numbers['links']) == (3, 5)
    assert (numbers['kept_after_gap'], numbers['gaps']) == (0, 1)
    assert numbers['same_cosine'] == pytest.approx(numbers['same_pairs'])
    assert numbers['different_cosine'] == pytest.approx(0)


def test_no_association_without_embeddings_or_truth():
    assert 'association' not in predict(sample([2]), [2], embeds=None)
    clip = sample([2])
    for frame in clip.video_data_samples:
        del frame.gt_instances
    assert 'association' not in predict(clip, [2])


def test_refuses_another_number_of_frames():
    with pytest.raises(ValueError, match='sample has 3 frames, the video 4'):
        predict(sample([2], frames=3), [2])
