import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from slotkd.evaluation import video_average_precision
from slotkd.registry import METRICS
from tests import ytvis_files


@pytest.fixture
def truth():
    return ytvis_files.ytvis({7: 4, 3: 2, 11: 3})


@pytest.fixture
def evaluate(tmp_path, truth):
    """Return a function from samples and options to scores."""

    def evaluate(samples, **options):
        path = ytvis_files.write_json(tmp_path / 'truth.json', truth)
        metric = METRICS.build(
            dict(type='VideoInstanceMetric', ann_file=str(path), **options)
        )
        evaluator = Evaluator(metric)
        for sample in samples:
            evaluator.process([sample])
        return evaluator.evaluate(len(samples))

    return evaluate


def tracks_of(truth, video, shift=0):
    """Return the annotations of a video as predictions."""
    first, second = ytvis_files.disjoint(
        next(v['length'] for v in truth['videos'] if v['id'] == video)
    )
    kinds = [a for a in truth['annotations'] if a['video_id'] == video]
    return [
        dict(
            video_id=video,
            category_id=entry['category_id'],
            score=0.9,
            segmentations=[
                ytvis_files.segmentation(np.roll(m, shift, 1)) for m in track
            ],
        )
        for entry, track in zip(kinds, (first, second), strict=True)
    ]


def samples(truth, videos, shift=0):
    return [
        dict(video_id=str(v), pred_tracks=tracks_of(truth, v, shift))
        for v in videos
    ]


def test_metric_equals_the_function(evaluate, truth):
    predictions = [
        track for v in (11, 3, 7) for track in tracks_of(truth, v, v % 3)
    ]
    expected = video_average_precision(truth, predictions)
    assert 0 < expected['AP'] < 1
    given = [
        dict(video_id=str(v), pred_tracks=tracks_of(truth, v, v % 3))
        for v in (11, 3, 7)
    ]
    assert evaluate(given) == expected


def test_videos_left_out_are_missed_and_unknown_ones_named(evaluate, truth):
    scores = evaluate(samples(truth, [3]), prefix='vis')
    expected = video_average_precision(truth, tracks_of(truth, 3))
    assert scores == {f'vis/{k}': v for k, v in expected.items()}
    with pytest.raises(ValueError, match="video '5' is not in the truth"):
        evaluate([dict(video_id='5', pred_tracks=[])])
    with pytest.raises(ValueError, match="video '3' has no.*pred_tracks"):
        evaluate([dict(video_id='3')])


def test_only_a_slice_of_the_videos_is_scored(evaluate, truth):
    scores = evaluate(samples(truth, [7, 11]), video_range=(-2, None))
    assert scores['AP'] == 1
    with pytest.raises(ValueError, match="video '3' is not in the truth"):
        evaluate(samples(truth, [3]), video_range=(-2, None))


def test_short_and_long_videos_and_their_mean(evaluate, truth, tmp_path):
    given = samples(truth, [3]) + samples(truth, [7, 11], shift=6)
    scores = evaluate(given, long_videos=[7, 11])
    assert scores['short_AP'] == 1
    long = video_average_precision(
        truth
        | dict(
            videos=[v for v in truth['videos'] if v['id'] != 3],
            annotations=[
                a for a in truth['annotations'] if a['video_id'] != 3
            ],
        ),
        [t for v in (7, 11) for t in tracks_of(truth, v, 6)],
    )
    assert scores['long_AP'] == long['AP'] < 1
    assert scores['AP'] == (1 + long['AP']) / 2
    assert scores['AP_l'] == -1  # no large track in either
    (tmp_path / 'long.txt').write_text('7\n11\n')
    listed = evaluate(given, long_videos=str(tmp_path / 'long.txt'))
    assert listed == scores
    with pytest.raises(ValueError, match='long_videos names unknown video 8'):
        evaluate(given, long_videos=[8])
    with pytest.raises(ValueError, match='long_videos names no video'):
        evaluate(given, long_videos=[])


def test_splits_by_occlusion(evaluate, truth):
    for entry in truth['annotations']:
        hidden = entry['video_id'] == 7
        level = 'severe_occlusion' if hidden else 'no_occlusion'
        entry['occlusion'] = [s and level for s in entry['segmentations']]
    scores = evaluate(samples(truth, [3, 11]), splits='occlusion')
    assert (scores['AP_so'], scores['AP_mo'], scores['AP_ho']) == (1, -1, 0)
    with pytest.raises(ValueError, match="splits='size'"):
        evaluate([], splits='size')


def slots(truth, video, **changes):
    """Return a sample in which slots 1 and 2 are the two objects."""
    first, second = ytvis_files.disjoint(
        next(v['length'] for v in truth['videos'] if v['id'] == video)
    )
    labels = torch.from_numpy(first + 2 * second)
    logits = torch.zeros(len(labels), 3, 12)
    logits[:, 0, :4], logits[:, 1, 4:8], logits[:, 2, 8:] = 1, 3, 2
    sample = dict(video_id=str(video), pred_masks=labels, mask_logits=logits)
    return sample | changes


def test_slots_are_tracks_without_classes(evaluate, truth):
    given = [slots(truth, v) for v in (3, 7, 11)]
    scores = evaluate(given, class_agnostic=True)
    # The background slot is the least certain of each video.
    assert (scores['AP'], scores['AR10']) == (1, 1)
    assert scores['AR1'] == 0.5
    first = {**given[0], 'mask_logits': given[0]['mask_logits'].flip(1)}
    worse = evaluate([first, *given[1:]], class_agnostic=True)
    assert worse['AP'] < 1
    with pytest.raises(ValueError, match="'3' has no.*'pred_tracks'"):
        evaluate(given[:1])
    del given[0]['mask_logits']
    with pytest.raises(ValueError, match="'3' has no mask_logits; .*keep_map"):
        evaluate(given, class_agnostic=True)


def test_the_mean_over_classes_is_the_ap(evaluate, truth):
    given = [
        dict(video_id=str(v), pred_tracks=tracks_of(truth, v, v % 3))
        for v in (11, 3, 7)
    ]
    scores = evaluate(given, classwise=True)
    names = [f'AP_{c["name"]}' for c in truth['categories']]
    by_class = [scores[name] for name in names if scores[name] >= 0]
    assert len(by_class) > 1
    assert np.mean(by_class) == pytest.approx(scores['AP'])
    assert 'AP_s' in scores and names[0] not in evaluate(given)
