"""Agreement, fragments and leakage from volumes drawn by hand."""

import math

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from slotkd.evaluation.agreement import (
    SSyncDiagnostics,
    fragment_count,
    leakage,
    map_agreement,
)
from slotkd.models.losses.ssync import ssync_loss
from slotkd.registry import METRICS
from slotkd.structures import VideoDataSample
from tests import tiny


def frame(*rows):
    return torch.tensor([[int(c) for c in row] for row in rows])[None]


def test_equal_partitions_agree_whatever_the_names():
    labels = torch.randint(0, 4, (2, 5, 6))
    renamed = torch.tensor([2, 3, 0, 1])[labels]
    agreement = map_agreement(labels, renamed)
    assert agreement == dict(ari=1, mbo_attn=1, mbo_masks=1)


def test_overlap_both_ways():
    """Each half of the encoder's region is half of the decoder's."""
    attn = frame('0011', '0011')
    masks = frame('2222', '2222')
    agreement = map_agreement(attn, masks)
    assert agreement['mbo_attn'] == 0.5
    assert agreement['mbo_masks'] == 0.5
    assert agreement['ari'] == 0
    masks = frame('2223', '2223')
    agreement = map_agreement(attn, masks)
    assert agreement['mbo_attn'] == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert agreement['mbo_masks'] == pytest.approx((4 / 6 + 2 / 4) / 2)


def test_label_zero_is_a_slot_like_any_other():
    attn = frame('0011', '0011')
    masks = frame('0110', '0110')
    assert map_agreement(attn, masks) == map_agreement(attn + 1, masks + 1)


def naive_fragments(labels, connectivity):
    total = 0
    for image in labels.tolist():
        seen = set()
        for start in np.ndindex(len(image), len(image[0])):
            if start in seen:
                continue
            total += 1
            stack = [start]
            while stack:
                y, x = stack.pop()
                if (y, x) in seen:
                    continue
                seen.add((y, x))
                for dy, dx in np.ndindex(3, 3):
                    other = y + dy - 1, x + dx - 1
                    corner = abs(dy - 1) + abs(dx - 1) == 2
                    inside = 0 <= other[0] < len(image) and (
                        0 <= other[1] < len(image[0])
                    )
                    if inside and not (corner and connectivity == 4):
                        if image[other[0]][other[1]] == image[y][x]:
                            stack.append(other)
    return total / len(labels)


@pytest.mark.parametrize('connectivity', [4, 8])
def test_fragments_equal_a_flood_fill(connectivity):
    labels = torch.randint(0, 3, (4, 9, 7))
    expected = naive_fragments(labels, connectivity)
    assert fragment_count(labels, connectivity) == expected
    assert fragment_count(labels.numpy(), connectivity) == expected


def test_fragments_of_a_checkerboard_and_void():
    board = frame('010', '101', '010')
    assert fragment_count(board, 4) == 9
    assert fragment_count(board, 8) == 2
    board = board.clone()
    board[0, 1, 1] = 255  # which held the corners together
    assert fragment_count(board, 8) == 5
    assert fragment_count(board.byte(), 4) == 8
    with pytest.raises(ValueError, match='got 6'):
        fragment_count(board, 6)


def test_leakage_of_slots_that_cover_their_object():
    true = frame('1111000', '1111000', '2222000', '2222000')
    pred = frame('3333300', '3330300', '4444444', '5544444')
    # Slot 3 covers 7 of 8 of object 1, 2 outside; slot 4 covers 6 of 8 of
    # object 2, 6 outside.
    torch.testing.assert_close(
        leakage(pred, true, 0.75), torch.tensor([2.0, 6.0]).double() / 1000
    )
    torch.testing.assert_close(
        leakage(pred, true, 0.8), torch.tensor([2.0]).double() / 1000
    )
    assert leakage(pred, true, 0.9).numel() == 0


def test_leakage_is_over_the_whole_video_and_leaves_void_out():
    true = torch.cat((frame('1100', '1100'), frame('0000', '0000')))
    true[1, 1, 1:] = 255
    pred = torch.zeros_like(true)
    pred[:, :, :2] = 7
    # Slot 7 holds the object, and 3 pixels of frame 1; one more is void.
    assert leakage(pred, true).tolist() == [0.003]
    assert leakage(pred, torch.zeros_like(true)).numel() == 0


def sample(video, truth=True):
    torch.manual_seed(video)
    fields = dict(
        attn_logits=torch.randn(3, 4, 24), mask_logits=torch.randn(3, 4, 24)
    )
    if truth:
        masks = torch.randint(0, 3, (3, 8, 12))
        fields['gt_masks'] = masks.repeat_interleave(2, 1)
    result = VideoDataSample(metainfo=dict(video_id=str(video), grid=(4, 6)))
    for name, value in fields.items():
        setattr(result, name, value)
    return result


def test_metric_averages_over_videos_and_pairs():
    metric = METRICS.build(
        dict(
            type='SSyncDiagnostics',
            ssync=dict(type='SSyncLoss', iou_thr=0.3),
            prefix='ssync',
        )
    )
    samples = [sample(0), sample(1, truth=False), sample(2)]
    evaluator = Evaluator([metric])
    evaluator.process(samples)
    scores = evaluator.evaluate(3)
    results = [
        ssync_loss(
            s.attn_logits[None], s.mask_logits[None], (4, 6), iou_thr=0.3
        )
        for s in samples
    ]
    for name in results[0].stats:
        mean = sum(float(r.stats[name]) for r in results) / 3
        assert scores[f'ssync/{name}'] == pytest.approx(mean)
    attn, masks = (
        torch.stack([getattr(s, f'{n}_logits').argmax(1) for s in samples])
        for n in ('attn', 'mask')
    )
    ari = [
        map_agreement(a, m)['ari'] for a, m in zip(attn, masks, strict=True)
    ]
    assert scores['ssync/agreement_ari'] == pytest.approx(sum(ari) / 3)
    truth = [samples[i].gt_masks for i in (0, 2)]
    for connectivity in (4, 8):
        fcc = [fragment_count(t, connectivity) for t in truth]
        actual = scores[f'ssync/fcc{connectivity}_truth']
        assert actual == pytest.approx(sum(fcc) / 2)
    assert scores['ssync/fcc8_attn'] < scores['ssync/fcc4_attn']
    for name in ('attn', 'masks'):
        assert scores[f'ssync/leakage90_{name}_pairs'] == 0
        assert math.isnan(scores[f'ssync/leakage90_{name}'])
    assert 0 < scores['ssync/top_iou_prob'] < 1


def test_metric_on_what_a_model_predicts():
    model = tiny.build(tiny.slot_model(keep_maps=True)).eval()
    samples = [
        VideoDataSample(gt_masks=torch.ones(2, 16, 24, dtype=torch.long))
        for _ in range(2)
    ]
    with torch.no_grad():
        predicted = model(tiny.clips(frames=2), samples, mode='predict')
    metric = SSyncDiagnostics(dict(type='SSyncLoss', iou_thr=0.7))
    evaluator = Evaluator([metric])
    evaluator.process(predicted)
    scores = evaluator.evaluate(2)
    assert scores['fcc8_truth'] == 1
    assert scores['fcc8_masks'] == pytest.approx(
        np.mean([fragment_count(s.pred_masks) for s in predicted])
    )


def test_metric_says_what_is_missing():
    metric = SSyncDiagnostics(dict(type='SSyncLoss', iou_thr=0.7))
    with pytest.raises(ValueError, match="'v' has no attn_logits.*keep_maps"):
        metric.process(None, [dict(video_id='v')])
