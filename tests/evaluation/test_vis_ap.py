import json

import numpy as np
import pytest

from slotkd.evaluation import video_average_precision
from slotkd.ops.rle import encode_mask, mask_runs

SHAPE = (4, 64, 64)


def _square(top, left, side, shift=0, frames=range(4)):
    volume = np.zeros(SHAPE, bool)
    for t in frames:
        column = left + shift * t
        volume[t, top : top + side, column : column + side] = True
    return volume


A, B = _square(4, 4, 20, shift=2), _square(30, 30, 30, frames=(0, 1, 3))
C = _square(10, 10, 30)


def _segmentations(volume):
    return [encode_mask(f) if f.any() else None for f in volume]


def _prediction(volume, score, category, video):
    return dict(
        video_id=video,
        category_id=category,
        score=score,
        segmentations=_segmentations(volume),
    )


@pytest.fixture
def truth():
    tracks = ((A, 1, 1), (B, 2, 1), (C, 1, 2))
    return dict(
        videos=[dict(id=i, height=64, width=64, length=4) for i in (1, 2)],
        categories=[dict(id=i, name=str(i)) for i in (1, 2)],
        annotations=[
            dict(
                id=index,
                video_id=video,
                category_id=category,
                iscrowd=0,
                segmentations=_segmentations(volume),
            )
            for index, (volume, category, video) in enumerate(tracks, 1)
        ],
    )


def _exact():
    return [
        _prediction(A, 0.9, 1, 1),
        _prediction(B, 0.8, 2, 1),
        _prediction(C, 0.7, 1, 2),
    ]


def _cut():
    early, late = A.copy(), A.copy()
    early[2:] = late[:2] = False
    parts = _prediction(early, 0.9, 1, 1), _prediction(late, 0.85, 1, 1)
    return [*parts, *_exact()[1:]]


def _shifted():
    return [_prediction(np.roll(A, 2, axis=2), 0.9, 1, 1), *_exact()[1:]]


def _false_track():
    return [*_exact(), _prediction(C, 0.95, 1, 1)]


def _overdrawn():
    first, _, last = _exact()
    return [first, _prediction(_square(30, 30, 30), 0.8, 2, 1), last]


def _wrong_class():
    first, _, last = _exact()
    return [first, _prediction(B, 0.8, 1, 1), last]


@pytest.mark.parametrize(
    ('predictions', 'expected'),
    [
        (_exact(), (1, 1, 1, 1, 1)),
        (_cut(), (0.6175, 0.9175, 0.5842, 0.7750, 0.7750)),
        (_shifted(), (0.8879, 1, 1, 0.9250, 0.9250)),
        (_false_track(), (0.8333, 0.8333, 0.8333, 0.75, 1)),
        (_overdrawn(), (0.8, 1, 1, 0.8, 0.8)),
        (_wrong_class(), (0.4175, 0.4175, 0.4175, 0.5, 0.5)),
    ],
)
def test_golden_values(truth, predictions, expected):
    scores = video_average_precision(truth, predictions)
    got = [scores[name] for name in ('AP', 'AP50', 'AP75', 'AR1', 'AR10')]
    assert got == pytest.approx(expected, abs=5e-5)


def test_order_of_videos_and_annotations_is_irrelevant(truth):
    expected = video_average_precision(truth, _cut())
    backwards = {key: rows[::-1] for key, rows in truth.items()}
    assert video_average_precision(backwards, _cut()[::-1]) == expected


def test_lists_polygons_and_paths_are_read(truth, tmp_path):
    expected = video_average_precision(truth, _shifted())
    listed = json.loads(json.dumps(truth))
    for t, mask in enumerate(A):
        listed['annotations'][0]['segmentations'][t]['counts'] = mask_runs(
            mask
        ).tolist()
    corners = [10, 10, 40, 10, 40, 40, 10, 40]
    listed['annotations'][2]['segmentations'] = [[corners]] * 4
    (tmp_path / 'gt.json').write_text(json.dumps(listed))
    (tmp_path / 'results.json').write_text(json.dumps(_shifted()))
    got = video_average_precision(
        tmp_path / 'gt.json', str(tmp_path / 'results.json')
    )
    assert got == expected


def test_crowd_is_ignored(truth):
    truth['annotations'][1]['iscrowd'] = 1
    assert video_average_precision(truth, _exact())['AP'] == 1
    without = [_exact()[0], _exact()[2]]
    assert video_average_precision(truth, without)['AP'] == 1


def test_annotated_areas_decide_the_size(truth):
    small = video_average_precision(truth, _exact())
    assert (small['AP_s'], small['AP_m'], small['AP_l']) == (1, -1, -1)
    truth['annotations'][1]['areas'] = [200**2, 200**2, None, 200**2]
    assert video_average_precision(truth, _exact())['AP_m'] == 1


def test_only_the_best_hundred_predictions_count(truth):
    stray = [_prediction(C, 0.95, 2, 1)] * 100
    assert video_average_precision(truth, _exact() + stray)['AP'] == 0.5
    assert video_average_precision(truth, _exact() + stray[1:])['AP'] > 0.5


def test_no_predictions(truth):
    scores = video_average_precision(truth, [])
    assert (scores['AP'], scores['AR100'], scores['AP_l']) == (0, 0, -1)


@pytest.mark.parametrize(
    ('row', 'fields', 'text'),
    [
        (0, dict(id=0), 'annotation id .*from 1, got 0'),
        (0, dict(id='7'), "got '7'"),
        (1, dict(id=1), 'annotation id 1 occurs twice'),
        (0, dict(video_id=9), 'annotation 1 names unknown video_id 9'),
        (0, dict(category_id=9), 'annotation 1 names unknown category_id 9'),
        (
            0,
            dict(segmentations=[None] * 3),
            r'annotation 1 \(video 1\): 3 segmentations.* 4 frames',
        ),
        (
            2,
            dict(segmentations=[encode_mask(np.ones((32, 64), bool))] * 4),
            r'annotation 3 \(video 2\): frame 0: .*\[32, 64\].*\[64, 64\]',
        ),
    ],
)
def test_broken_annotations_are_named(truth, row, fields, text):
    truth['annotations'][row] |= fields
    with pytest.raises(ValueError, match=text):
        video_average_precision(truth, _exact())


@pytest.mark.parametrize('name', ['videos', 'annotations', 'categories'])
def test_missing_parts_of_the_truth_are_named(truth, name):
    del truth[name]
    with pytest.raises(ValueError, match=f"no field '{name}'"):
        video_average_precision(truth, _exact())


@pytest.mark.parametrize(
    ('fields', 'text'),
    [
        (dict(video_id=7), 'prediction 1 names unknown video_id 7'),
        (dict(category_id=7), r'prediction 1 \(video 1\).*category_id 7'),
        (dict(score=float('nan')), 'prediction 1 .*score nan'),
        (dict(score='0.5'), "prediction 1 .*score '0.5'"),
        (dict(segmentations=[None] * 5), 'prediction 1 .*5 segmentations'),
        (
            dict(segmentations=[None, dict(size=[64, 64], counts=[9])] * 2),
            r'prediction 1 \(video 1\): frame 1: .* 9 .*64 x 64',
        ),
    ],
)
def test_broken_predictions_are_named(truth, fields, text):
    predictions = _exact()
    predictions[1] |= fields
    with pytest.raises(ValueError, match=text):
        video_average_precision(truth, predictions)


def test_prediction_without_a_field_is_named(truth):
    predictions = _exact()
    del predictions[2]['score']
    with pytest.raises(ValueError, match="prediction 2 .*no field 'score'"):
        video_average_precision(truth, predictions)


def test_without_classes_a_wrong_class_is_no_mistake(truth):
    scores = video_average_precision(
        truth, _wrong_class(), class_agnostic=True
    )
    assert scores['AP'] == 1
    predictions = _exact()
    for prediction in predictions:
        del prediction['category_id']
    scores = video_average_precision(truth, predictions, class_agnostic=True)
    assert scores['AP'] == 1


@pytest.mark.data
def test_official_numbers_of_real_masks(shared):
    folder = shared / 'data' / 'reference'
    expected = json.loads((folder / 'ytvis_expected.json').read_text())
    scores = video_average_precision(
        folder / 'ytvis_gt.json', folder / 'ytvis_pred.json'
    )
    names = ['AP', 'AP50', 'AP75', 'AP_s', 'AP_m', 'AP_l']
    names += ['AR1', 'AR10', 'AR100', 'AR_s', 'AR_m', 'AR_l']
    got = [scores[name] for name in names]
    assert got == pytest.approx(expected['stats'], abs=1e-6)
