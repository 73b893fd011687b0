"""Truth handed in as the prediction is perfect under every protocol."""

import numpy as np
import pytest

from slotkd.datasets import MovingShapes
from slotkd.evaluation import (
    adjusted_rand_index,
    davis_scores,
    discovery_scores,
    hungarian_miou,
    mean_best_overlap,
    video_average_precision,
)
from slotkd.ops.rle import encode_mask


@pytest.fixture(scope='module')
def videos():
    data = MovingShapes(3, seed=5, num_frames=5, size=(40, 48))
    return [np.stack(data[i]['gt_seg_map']) for i in range(len(data))]


def _tracks(true):
    for label in np.unique(true[true > 0]):
        yield [
            encode_mask(frame == label) if (frame == label).any() else None
            for frame in true
        ]


def test_object_discovery(videos):
    for true in videos:
        slots = np.random.default_rng(0).permutation(256)[true]
        assert adjusted_rand_index(slots, true) == pytest.approx(1)
        assert mean_best_overlap(slots, true) == 1
        assert hungarian_miou(slots, true) == 1
        for name, values in discovery_scores(slots, true).items():
            assert values.nanmean().item() == pytest.approx(1), name


@pytest.mark.parametrize('protocol', ['unsupervised', 'semi-supervised'])
def test_j_and_f(videos, protocol):
    for true in videos:
        first = np.where(true <= true[0].max(), true, 0)
        for score in davis_scores(first, first, protocol=protocol):
            assert (score == 1).all()


def test_video_ap(videos):
    tracks = [(v, s) for v, true in enumerate(videos) for s in _tracks(true)]
    truth = dict(
        videos=[
            dict(id=v, length=len(t), height=t.shape[1], width=t.shape[2])
            for v, t in enumerate(videos)
        ],
        categories=[dict(id=1)],
        annotations=[
            dict(id=i, video_id=v, category_id=1, segmentations=s)
            for i, (v, s) in enumerate(tracks, 1)
        ],
    )
    results = [
        dict(video_id=v, category_id=1, score=0.5, segmentations=s)
        for v, s in tracks
    ]
    scores = video_average_precision(truth, results)
    assert scores['AP'] == scores['AR10'] == 1
