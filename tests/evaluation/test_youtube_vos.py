import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from slotkd.evaluation import boundary_accuracy, region_similarity
from slotkd.evaluation.youtube_vos import (
    youtube_vos_scores,
    youtube_vos_summary,
)
from slotkd.registry import METRICS
from slotkd.structures import VideoDataSample


def _video():
    """Show object 1 from frame 0 and object 5 from frame 2 on."""
    true = np.zeros((5, 20, 30), np.int64)
    true[:, 2:10, 2:12] = 1
    true[2:, 12:18, 15:25] = 5
    return true


def test_g_of_the_published_row():
    entries = [('cat', 81.6, 86.3), ('ape', 75.8, 84.2)]
    scores = youtube_vos_summary(entries, ['ape'])
    assert scores['g'] == pytest.approx(81.975, abs=1e-9)
    assert scores['j_unseen'] == 75.8


def test_objects_are_averaged_within_their_group():
    entries = [('cat', 0.0, 0.2), ('dog', 1.0, 0.4), ('ape', 0.5, 0.5)]
    scores = youtube_vos_summary(entries, {'ape'})
    assert (scores['j_seen'], scores['f_seen']) == pytest.approx((0.5, 0.3))


@pytest.mark.parametrize('unseen', [[], ['cat']])
def test_empty_group_is_an_error(unseen):
    with pytest.raises(ValueError, match='no object of a category'):
        youtube_vos_summary([('cat', 1.0, 1.0)], unseen)


def test_late_object_is_scored_after_its_first_frame():
    true = _video()
    pred = true.copy()
    pred[:3] = 0  # frame 2 is the first of object 5: not scored
    scores = youtube_vos_scores(pred, true)
    assert scores[1] == pytest.approx((0.5, 0.5))
    assert scores[5] == pytest.approx((1, 1))
    pred[3][pred[3] == 5] = 0
    assert youtube_vos_scores(pred, true)[5] == pytest.approx((0.5, 0.5))


def test_only_listed_frames_count():
    true = _video()
    pred = true.copy()
    pred[4] = 0
    frames = {1: [0, 2, 3], 5: [2, 4]}
    scores = youtube_vos_scores(pred, true, frames=frames)
    assert scores == {1: (1, 1), 5: (0, 0)}


def test_values_are_the_davis_measures():
    true = _video()
    pred = np.roll(true, 2, axis=2)
    j, f = youtube_vos_scores(pred, true)[1]
    pairs = [(p == 1, t == 1) for p, t in zip(pred, true, strict=True)][1:]
    assert j == pytest.approx(np.mean([region_similarity(*p) for p in pairs]))
    assert f == pytest.approx(np.mean([boundary_accuracy(*p) for p in pairs]))


def test_object_without_a_second_frame_is_left_out():
    true = _video()
    assert list(youtube_vos_scores(true[:3], true[:3])) == [1]


def test_hostile_input():
    true = _video()
    with pytest.raises(ValueError, match=r'label 2.*\[1, 5\]'):
        youtube_vos_scores(np.where(true == 5, 2, true), true)
    with pytest.raises(ValueError, match=r'\(4, 20, 30\).*\(5, 20, 30\)'):
        youtube_vos_scores(true[1:], true)
    with pytest.raises(ValueError, match='object 1 .*frame 5.* has 5'):
        youtube_vos_scores(true, true, frames={1: [0, 5], 5: [2]})


def _evaluate(pred, **metainfo):
    metric = METRICS.build(dict(type='YouTubeVosMetric', unseen=['ape']))
    evaluator = Evaluator(metric)
    sample = VideoDataSample(metainfo=dict(video_id='v', **metainfo))
    sample.gt_masks = torch.from_numpy(_video())
    sample.pred_masks = torch.from_numpy(pred)
    evaluator.process([sample])
    return evaluator.evaluate(1)


def test_metric_is_labelled_as_proxy():
    pred = _video()
    pred[pred == 5] = 0
    result = _evaluate(pred, object_categories={1: 'cat', 5: 'ape'})
    assert result == {
        'proxy/j_seen': 1.0,
        'proxy/f_seen': 1.0,
        'proxy/j_unseen': 0.0,
        'proxy/f_unseen': 0.0,
        'proxy/g': 0.5,
    }


def test_metric_names_video_and_object():
    with pytest.raises(ValueError, match="'v': object_categories .*object 5"):
        _evaluate(_video(), object_categories={1: 'cat'})
