import json
from math import isnan, nan

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from sklearn.metrics import adjusted_rand_score

from slotkd.evaluation import (
    adjusted_rand_index,
    discovery_scores,
    hungarian_miou,
    mean_best_overlap,
)
from slotkd.ops.instance_labels import labels_from_channels
from slotkd.ops.masks import hard_masks
from slotkd.registry import METRICS
from slotkd.structures import VideoDataSample

RANK_1 = ([[0, 0], [1, 1]], [[0, 1], [2, 3]])  # truth, prediction


def _random(objects=4, slots=6, shape=(3, 12, 10)):
    return torch.randint(0, slots, shape), torch.randint(0, objects, shape)


def _sample(pred, true, video_id='v'):
    sample = VideoDataSample(metainfo=dict(video_id=video_id))
    if true is not None:
        sample.gt_masks = true
    if pred is not None:
        sample.pred_masks = pred
    return sample


def _evaluate(pairs, **options):
    metric = METRICS.build(dict(type='ObjectDiscoveryMetric', **options))
    evaluator = Evaluator(metric)
    for index, pair in enumerate(pairs):
        evaluator.process([_sample(*pair, video_id=f'video{index}')])
    return evaluator.evaluate(len(pairs))


@pytest.mark.parametrize(
    ('pred', 'expected'),
    [
        ((0, 0, 1, 2), 4 / 7),
        ((0, 1, 2, 3), 0),
        ((0, 1, 0, 1), -0.5),
        ((1, 1, 0, 0), 1),
    ],
)
def test_text_book_ari(pred, expected):
    true = torch.tensor([[0, 0, 1, 1]])
    ari = adjusted_rand_index(torch.tensor([pred]), true, False)
    assert ari == pytest.approx(expected, abs=1e-12)
    fg = adjusted_rand_index(torch.tensor([pred]), true + 1)
    assert fg == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize('objects', [1, 2, 5, 24])
@pytest.mark.parametrize('slots', [1, 2, 11])
def test_ari_equals_scikit_learn(objects, slots):
    pred, true = _random(objects, slots)
    assert adjusted_rand_index(pred, true, False) == pytest.approx(
        adjusted_rand_score(true.flatten(), pred.flatten()), abs=1e-9
    )
    front = true > 0
    if front.any():
        assert adjusted_rand_index(pred, true) == pytest.approx(
            adjusted_rand_score(true[front], pred[front]), abs=1e-9
        )


def test_mbo_golden_value():
    true, pred = (torch.tensor(x) for x in RANK_1)
    assert mean_best_overlap(pred, true) == 0.5
    perfect = discovery_scores(true[None], true[None])['mbo'].item()
    assert (perfect + 0.5) / 2 == 0.75


def test_scores_ignore_the_order_of_slots_and_objects():
    pred, true = _random()
    slots = torch.randperm(6)
    objects = torch.cat([torch.zeros(1, dtype=int), 1 + torch.randperm(3)])
    for score in (adjusted_rand_index, mean_best_overlap, hungarian_miou):
        assert score(slots[pred], objects[true]) == pytest.approx(
            score(pred, true), abs=1e-12
        )


def test_truth_as_prediction_is_perfect_and_worse_is_worse():
    _, true = _random()
    assert adjusted_rand_index(true, true) == pytest.approx(1, abs=1e-12)
    assert mean_best_overlap(true, true) == hungarian_miou(true, true) == 1
    one_slot = torch.zeros_like(true)
    assert adjusted_rand_index(one_slot, true) == pytest.approx(0, abs=1e-12)
    assert 0 < hungarian_miou(one_slot, true) < 0.5


def test_one_slot_may_serve_two_objects_in_mbo_only():
    true = torch.tensor([[1, 1, 2, 2]])
    pred = torch.zeros(1, 4, dtype=int)
    assert mean_best_overlap(pred, true) == 0.5
    assert hungarian_miou(pred, true) == 0.25


def test_slot_pixels_on_background_count_as_errors():
    true = torch.tensor([[0, 0, 1, 1]])
    tight, loose = torch.tensor([[[0, 0, 1, 1]], [[1, 1, 1, 1]]])
    assert mean_best_overlap(tight, true) == 1
    assert mean_best_overlap(loose, true) == 0.5
    assert hungarian_miou(loose, true) == 0.5


@pytest.mark.parametrize('seed', range(5))
def test_miou_is_at_most_mbo(seed):
    torch.manual_seed(seed)
    scores = discovery_scores(*_random(slots=3))
    assert (scores['miou'] <= scores['mbo'] + 1e-12).all()
    assert (scores['image_miou'] <= scores['image_mbo'] + 1e-12).all()


def test_void_is_left_out_of_both_sides():
    pred, true = _random()
    void = torch.rand(true.shape) < 0.3
    marked = true.masked_fill(void, 255)
    kept = (pred[~void], true[~void])
    for score in (adjusted_rand_index, mean_best_overlap, hungarian_miou):
        assert score(pred, marked) == pytest.approx(score(*kept), abs=1e-12)


def test_background_only():
    pred, true = _random(objects=1)
    assert adjusted_rand_index(pred, true) == 1
    assert isnan(adjusted_rand_index(pred, true, background='none'))
    assert isnan(mean_best_overlap(pred, true))
    assert isnan(hungarian_miou(pred, true))
    assert isnan(adjusted_rand_index(pred, true + 255))


def test_unannotated_background_is_never_counted():
    pred, true = _random()
    fg = adjusted_rand_index(pred, true)
    for ignore in (True, False):
        assert adjusted_rand_index(pred, true, ignore, background='none') == fg


def test_image_scores_are_the_scores_of_single_frames():
    pred, true = _random()
    true[1] = 0
    scores = discovery_scores(pred, true)
    for t in range(3):
        expected = {
            'fg_ari': adjusted_rand_index(pred[t], true[t]),
            'ari': adjusted_rand_index(pred[t], true[t], False),
            'mbo': mean_best_overlap(pred[t], true[t]),
            'miou': hungarian_miou(pred[t], true[t]),
        }
        for name, value in expected.items():
            frame = scores[f'image_{name}'][t].item()
            assert frame == pytest.approx(value, abs=1e-12, nan_ok=True)
    assert scores['image_fg_ari'][1] == 1
    assert scores['image_mbo'][1].isnan()


def test_metric_averages_videos_and_frames():
    pairs = [_random() for _ in range(3)]
    pairs[1][1][:2] = 0
    result = _evaluate(pairs)
    parts = [discovery_scores(*pair) for pair in pairs]
    assert result.keys() == parts[0].keys()
    for name, value in result.items():
        samples = torch.cat([part[name] for part in parts])
        assert value == pytest.approx(samples.nanmean().item(), abs=1e-12)


def test_empty_video_is_one_or_skipped_by_the_protocol():
    pairs = [_random(), _random(objects=1)]
    full = discovery_scores(*pairs[0])
    movi = _evaluate(pairs)
    assert movi['fg_ari'] == pytest.approx((full['fg_ari'].item() + 1) / 2)
    assert movi['mbo'] == pytest.approx(full['mbo'].item())
    ytvis = _evaluate(pairs, background='none')
    assert ytvis['fg_ari'] == ytvis['ari'] == pytest.approx(full['fg_ari'])


def test_video_without_annotation_is_passed_over():
    pair = _random()
    assert _evaluate([pair, (pair[0], None)]) == _evaluate([pair])


def test_subsets_take_the_leading_videos():
    pairs = [_random() for _ in range(3)]
    result = _evaluate(pairs, subsets=dict(first2=2), prefix='val')
    leading = _evaluate(pairs[:2])
    assert {k: result[f'val/first2_{k}'] for k in leading} == leading
    with pytest.raises(ValueError, match="'first4' .* 4 videos.* has 3"):
        _evaluate(pairs, subsets=dict(first4=4))


@pytest.mark.parametrize(
    ('shape', 'options', 'text'),
    [
        ((3, 12, 9), {}, r"'video0'.*\(3, 12, 9\).*\(3, 12, 10\)"),
        ((2, 12, 10), {}, r"'video0'.*\(2, 12, 10\).*\(3, 12, 10\)"),
        ((3, 12, 10), {'mask_size': 12}, r"'video0'.*\(12, 10\).*\(12, 12\)"),
        ((3, 12, 10), {'num_frames': 24}, "'video0': 3 frames.* 24"),
    ],
)
def test_masks_that_do_not_fit_name_the_video(shape, options, text):
    pair = (torch.zeros(shape, dtype=int), _random()[1])
    with pytest.raises(ValueError, match=text):
        _evaluate([pair], **options)


def test_protocol_that_fits_is_accepted():
    pairs = [_random()]
    stated = _evaluate(pairs, mask_size=(12, 10), num_frames=3)
    assert stated == _evaluate(pairs)


def test_missing_prediction_names_the_video():
    with pytest.raises(ValueError, match="'video0' has gt_masks, no pred"):
        _evaluate([(None, _random()[1])])


@pytest.mark.parametrize('true', [None, torch.zeros(3, 12, 10, dtype=int)])
def test_nothing_annotated_is_an_error(true):
    with pytest.raises(ValueError, match='no object to score: 1 videos'):
        _evaluate([(_random()[0], true)])


def test_unknown_background_is_an_error():
    with pytest.raises(ValueError, match="'zero'"):
        adjusted_rand_index(*_random(), background='zero')
    with pytest.raises(ValueError, match="'zero'"):
        METRICS.build(dict(type='ObjectDiscoveryMetric', background='zero'))


@pytest.mark.data
def test_movi_a_reference(shared):
    data = shared / 'data'
    names = {'ari': 'ari', 'fg_ari': 'fg_ari', 'mbo': 'mbo', 'miou': 'miou'}
    cases = json.loads((data / 'reference/movi_a_expected.json').read_text())
    assert len(cases) == 8
    with np.load(data / 'reference/movi_a_predictions.npz') as predictions:
        for case in cases:
            video = case['name'].rsplit('_', 1)[0]
            with np.load(data / f'movi_a/{video}.npz') as arrays:
                true = arrays['segmentations'][..., 0]
            scores = discovery_scores(predictions[case['name']], true)
            for name in names:
                got = scores[name].item()
                assert got == pytest.approx(case[f'{name}_video'], abs=1e-6)
                frames = scores[f'image_{name}'].nanmean().item()
                if f'{name}_image' in case:
                    assert frames == pytest.approx(
                        case[f'{name}_image'], abs=1e-6
                    )


@pytest.fixture
def official(shared):
    folder = shared / 'golden' / 'a'
    cases = json.loads((folder / 'metrics_official.json').read_text())
    with np.load(folder / 'metrics_official.npz') as arrays:
        return cases['cases'], dict(arrays)


def _truth(arrays, name):
    if f'{name}__true' in arrays:
        return torch.from_numpy(arrays[f'{name}__true'])
    shape = arrays[f'{name}__true_channels_shape']
    bits = np.unpackbits(
        arrays[f'{name}__true_channels_bits'], count=int(np.prod(shape))
    )
    channels = np.moveaxis(bits.reshape(shape).astype(bool), -3, 0)
    with pytest.raises(ValueError, match='overlap'):
        labels_from_channels(channels, channels.shape[1:])
    labels = labels_from_channels(
        channels, channels.shape[1:], ignore_overlaps=True
    )
    return torch.from_numpy(labels)


def _official_scores(pred, true, case):
    """Score a video, per frame or whole, as the case's options say."""
    counted = case['convention'] == 'background'
    ignore = case['options']['ignore_background'] or not counted
    background = 'channel' if counted else 'none'
    options = dict(ignore_background=ignore)
    return {
        'ari': adjusted_rand_index(
            pred, true, background=background, **options
        ),
        'mbo': mean_best_overlap(pred, true, **options),
        'miou_hungarian': hungarian_miou(pred, true, **options),
    }


@pytest.mark.data
def test_official_slot_metrics(official):
    cases, arrays = official
    cases = {n: c for n, c in cases.items() if isinstance(c, dict)}
    checked = 0
    for name, case in cases.items():
        if 'results' not in case:
            continue
        true = _truth(arrays, name)
        pred = torch.from_numpy(arrays[f'{name}__pred'])
        videos = [
            _official_scores(p, t, case)
            for p, t in zip(pred, true, strict=True)
        ]
        frames = [
            [_official_scores(*pair, case) for pair in zip(p, t, strict=True)]
            for p, t in zip(pred, true, strict=True)
        ]
        for key in ('ari', 'mbo', 'miou_hungarian'):
            expected = case['results']
            per_video = [
                nan if v is None else v
                for v in expected[f'video_{key}.per_video']
            ]
            got = [video[key] for video in videos]
            assert got == pytest.approx(per_video, abs=1e-9, nan_ok=True)
            flat = np.array([[f[key] for f in video] for video in frames])
            assert np.nanmean(flat) == pytest.approx(
                expected[f'image_{key}'], abs=1e-9
            )
            counts = (~np.isnan(flat)).sum(1).tolist()
            assert (
                counts == expected[f'image_{key}.n_samples_counted_per_video']
            )
            checked += 1
    assert checked == 30


@pytest.mark.data
def test_official_metric_over_a_batch(official):
    cases, arrays = official
    for name, case in cases.items():
        if name == 'movi_style_with_background' or 'slots' not in str(case):
            continue
        with_channel = case['convention'] == 'background'
        background = 'channel' if with_channel else 'none'
        pred = torch.from_numpy(arrays[f'{name}__pred'])
        result = _evaluate(
            list(zip(pred, _truth(arrays, name), strict=True)),
            background=background,
        )
        for ours, theirs in (
            ('fg_ari', 'video_ari'),
            ('mbo', 'video_mbo'),
            ('miou', 'video_miou_hungarian'),
            ('image_fg_ari', 'image_ari'),
            ('image_mbo', 'image_mbo'),
            ('image_miou', 'image_miou_hungarian'),
        ):
            assert result[ours] == pytest.approx(
                case['results'][theirs], abs=1e-9
            )


@pytest.mark.data
def test_official_resize_then_argmax(official):
    _, arrays = official
    masks = torch.from_numpy(arrays['resize__soft_masks'])
    expected = torch.from_numpy(arrays['resize__labels']).long()
    size = tuple(expected.shape[-2:])
    for clip, labels in zip(masks, expected, strict=True):
        assert torch.equal(hard_masks(clip, (6, 6), size), labels)
