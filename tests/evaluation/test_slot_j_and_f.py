import json
from math import isnan

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from slotkd.evaluation import slot_jf
from slotkd.evaluation.slot_j_and_f import inner_bands
from slotkd.ops.instance_labels import labels_from_channels
from slotkd.registry import METRICS


def _square(top=5, left=5, side=10, shape=(24, 30)):
    frame = np.zeros(shape, np.int64)
    frame[top : top + side, left : left + side] = 1
    return frame


def test_bands_follow_the_inner_edges_and_the_rim():
    labels = _square()
    bands = inner_bands(labels, 2)
    inside = np.zeros(labels.shape, bool)
    inside[7:13, 7:13] = True  # two pixels off each edge of the square
    assert np.array_equal(bands & (labels == 1), (labels == 1) & ~inside)
    assert bands[:2].all() and bands[:, -2:].all()
    assert not bands[20, 20]


def test_hand_case_of_one_frame():
    """A square of 10 and one of 8 in it, in bands of one pixel."""
    true, pred = _square(), _square(6, 6, 8)
    # The bands of both squares are 36 and 28 pixels, without common ones.
    scores = slot_jf(pred, true, width=0.001)
    assert scores == pytest.approx((0.32, 0.64, 0))
    assert slot_jf(true + 7, true) == pytest.approx((1, 1, 1))


def test_frames_without_the_object_count_zero():
    true = np.stack([_square(), np.zeros_like(_square())])
    assert slot_jf(true, true) == pytest.approx((0.5, 0.5, 0.5))


def test_each_object_needs_its_own_slot():
    true = _square() + 2 * _square(5, 18)
    merged = (true > 0).astype(int)
    scores = slot_jf(merged, true)
    assert scores.j == pytest.approx(0.25)  # IoU 1/2 for one, 0 for the other


def test_void_is_taken_out_of_both():
    true, pred = _square(), _square(6, 6, 8)
    void = true.copy()
    void[(true == 1) & (pred == 0)] = 255
    assert slot_jf(pred, void).j == 1


def test_degenerate_volumes():
    empty = np.zeros((2, 6, 6), int)
    assert all(isnan(v) for v in slot_jf(empty, empty))
    assert slot_jf(empty, empty, ignore_background=False) == (1, 1, 1)
    assert isnan(slot_jf(empty, np.full_like(empty, 255)).jf)
    with pytest.raises(ValueError, match=r'\(2, 6, 6\) and true \(2, 6, 5\)'):
        slot_jf(empty, empty[..., :5])
    with pytest.raises(TypeError, match='pred must hold integers'):
        slot_jf(empty.astype(float), empty)


def _sample(pred, true):
    return dict(
        video_id='v',
        pred_masks=torch.from_numpy(pred),
        gt_masks=None if true is None else torch.from_numpy(true),
    )


def test_metric_averages_over_videos_with_objects():
    metric = METRICS.build(dict(type='SlotJFMetric'))
    evaluator = Evaluator(metric)
    true = _square()[None]
    half = np.stack([_square(), np.zeros_like(_square())])
    for sample in (
        _sample(true, true),
        _sample(half, half),
        _sample(true, np.zeros_like(true)),
        _sample(true, None),
    ):
        evaluator.process([sample])
    assert evaluator.evaluate(4) == dict(
        slot_jf=0.75, slot_j=0.75, slot_f=0.75
    )
    evaluator.process([_sample(true, None)])
    with pytest.raises(ValueError, match='no object to score in 1 videos'):
        evaluator.evaluate(1)
    with pytest.raises(ValueError, match='share of the diagonal, got 2'):
        METRICS.build(dict(type='SlotJFMetric', width=2.0))


def _truth(arrays, name):
    if f'{name}__true' in arrays:
        return arrays[f'{name}__true']
    shape = arrays[f'{name}__true_channels_shape']
    bits = np.unpackbits(
        arrays[f'{name}__true_channels_bits'], count=int(np.prod(shape))
    )
    channels = np.moveaxis(bits.reshape(shape).astype(bool), -3, 0)
    return labels_from_channels(
        channels, channels.shape[1:], ignore_overlaps=True
    )


@pytest.mark.data
def test_official_numbers(shared):
    folder = shared / 'golden' / 'a'
    cases = json.loads((folder / 'metrics_official.json').read_text())['cases']
    checked = 0
    with np.load(folder / 'metrics_official.npz') as archive:
        arrays = dict(archive)
    for name, case in cases.items():
        if not isinstance(case, dict) or 'results' not in case:
            continue
        counted = case['convention'] == 'background'
        ignore = case['options']['ignore_background'] or not counted
        videos = zip(
            arrays[f'{name}__pred'], _truth(arrays, name), strict=True
        )
        got = [slot_jf(p, t, ignore_background=ignore) for p, t in videos]
        for field, key in (
            ('jf', 'j_and_f'),
            ('j', 'jaccard'),
            ('f', 'boundary_f_measure'),
        ):
            values = [getattr(scores, field) for scores in got]
            expected = case['results'][f'video_jandf.{key}']
            assert np.nanmean(values) == pytest.approx(expected, abs=1e-9)
        checked += 1
    assert checked == 10
