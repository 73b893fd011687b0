"""Coverage, tube IoU and matching: slow twins, golden values, padding."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from slotkd.evaluation.tracks import read_track, track_ious
from slotkd.ops.query_matching import (
    mask_coverage,
    match_queries,
    matching_cost,
    tube_iou,
)
from slotkd.ops.rle import encode_mask
from slotkd.ops.vis_annotations import VisVideo
from tests.query_records import GRID, boxes, perfect_teacher


def test_coverage_is_the_share_of_each_cell():
    masks = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    masks[0, 0, :4, :2] = True
    shares = mask_coverage(masks, (2, 2))
    assert shares.shape == (2, 1, 2, 2)
    assert shares[0, 0].tolist() == [[0.5, 0], [0, 0]]
    assert mask_coverage(masks[:, :0], (2, 2)).shape == (2, 0, 2, 2)


def test_tube_iou_is_a_ratio_of_sums_not_a_mean_of_ratios():
    first = torch.zeros(1, 1, 2, 1, 4, dtype=torch.bool)
    second = first.clone()
    first[..., 0, :, :] = True  # 4 cells in frame 0
    second[..., 0, :, :2] = True  # 2 of them, and 1 in frame 1
    second[..., 1, :, 0] = True
    assert tube_iou(first, second).item() == pytest.approx(2 / 5)
    empty = torch.zeros_like(first)
    assert tube_iou(empty, empty).item() == 0


def test_tube_iou_is_that_of_the_metric():
    rng = np.random.default_rng(0)
    predicted = rng.random((3, 4, 6, 5)) < 0.5
    true = rng.random((2, 4, 6, 5)) < 0.5
    true[1, 2] = False
    ious = tube_iou(*(torch.from_numpy(m)[None] for m in (predicted, true)))
    video = VisVideo(id=1, length=4, size=(6, 5))
    tracks = [
        [read_track([encode_mask(m) for m in t], video) for t in tubes]
        for tubes in (predicted, true)
    ]
    np.testing.assert_allclose(ious[0], track_ious(*tracks), rtol=1e-6)


def test_cost_of_a_hand_case():
    logits = torch.tensor([[[0.0, 0.0, 0.0]]])
    masks = torch.tensor([[[0.0, 0.0]]])
    covered = torch.tensor([[[1.0, 0.0]]])
    cost = matching_cost(logits, masks, torch.tensor([[1]]), covered)
    entropy, dice = np.log(2), 1 - (2 * 0.5 + 1) / (1 + 1 + 1)
    assert cost.item() == pytest.approx(-2 / 3 + 5 * entropy + 5 * dice)


def test_cost_is_that_of_a_slow_loop():
    torch.manual_seed(0)
    cls, masks = torch.randn(2, 3, 5), torch.randn(2, 3, 7)
    labels, covered = torch.randint(4, (2, 2)), torch.rand(2, 2, 7)
    cost = matching_cost(cls, masks, labels, covered, weights=(1, 2, 3))
    for n in range(2):
        for u in range(3):
            for o in range(2):
                prob = masks[n, u].sigmoid()
                expected = (
                    -cls[n, u].softmax(0)[labels[n, o]]
                    + 2 * F.binary_cross_entropy(prob, covered[n, o])
                    + 3
                    * (
                        1
                        - (2 * (prob * covered[n, o]).sum() + 1)
                        / (prob.sum() + covered[n, o].sum() + 1)
                    )
                )
                torch.testing.assert_close(cost[n, u, o], expected)


def test_a_permutation_of_the_queries_is_undone():
    truth = boxes([[0, 2, 1], [3]])
    covered = mask_coverage(truth.masks, GRID).flatten(2)
    order = torch.tensor([4, 2, 6, 0, 5, 1, 3])
    teacher = perfect_teacher(truth, order)
    match = match_queries(
        teacher.cls_logits,
        teacher.mask_logits.flatten(2),
        truth.labels,
        covered,
        present=truth.labels >= 0,
    )
    assert order[match[0]].tolist() == [0, 1, 2]
    assert order[match[1, 0]] == 0 and match[1, 1:].tolist() == [-1, -1]


def test_padding_takes_no_query_where_objects_are_more():
    torch.manual_seed(0)
    cls, masks = torch.randn(1, 2, 4), torch.randn(1, 2, 5)
    labels = torch.tensor([[-1, -1, 1, 0, 2]])
    covered = (torch.rand(1, 5, 5) < 0.5).float()
    match = match_queries(cls, masks, labels, covered, present=labels >= 0)
    assert match[0, :2].tolist() == [-1, -1]
    assert sorted(match[0, 2:].tolist()) == [-1, 0, 1]


def test_no_object_at_all():
    match = match_queries(
        torch.randn(2, 3, 4),
        torch.randn(2, 3, 5),
        torch.zeros(2, 0).long(),
        torch.zeros(2, 0, 5),
        present=torch.zeros(2, 0, dtype=torch.bool),
    )
    assert match.shape == (2, 0)


def test_half_precision_is_lifted():
    cls, masks = torch.randn(1, 2, 4), torch.randn(1, 2, 5) * 60
    cost = matching_cost(
        cls.bfloat16(),
        masks.bfloat16(),
        torch.tensor([[1]]),
        torch.ones(1, 1, 5),
    )
    assert cost.dtype == torch.float32 and cost.isfinite().all()
