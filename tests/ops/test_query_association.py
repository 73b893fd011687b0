"""The filters of teacher and student, and what joins their queries."""

import pytest
import torch

from slotkd.ops.query_association import (
    filter_student,
    filter_teacher,
    join_pairs,
    pick_queries,
    reliable_tubes,
)

SURE = 20.0


def logits(*labels: int, classes: int = 3) -> torch.Tensor:
    """Return sure class logits of the queries of one clip."""
    onehot = torch.nn.functional.one_hot(torch.tensor([labels]), classes + 1)
    return SURE * onehot.float()


def kept(cls_logits, iou, labels, match, **options) -> list[bool]:
    keep, weight = filter_teacher(
        cls_logits,
        torch.tensor([iou]),
        torch.tensor([labels]),
        torch.tensor([match]),
        **options,
    )
    assert ((0 <= weight) & (weight <= 1)).all()
    return keep[0].tolist()


def test_pick_queries_takes_the_first_for_none():
    values = torch.arange(6.0).reshape(1, 3, 2)
    picked = pick_queries(values, torch.tensor([[2, -1]]))
    assert picked.tolist() == [[[4, 5], [0, 1]]]


def test_keeps_a_query_on_its_track_and_weighs_it():
    keep, weight = filter_teacher(
        logits(1, 0),
        torch.tensor([[[0.8, 0.0], [0.0, 0.6]]]),
        torch.tensor([[1, 0]]),
        torch.tensor([[0, 1]]),
    )
    assert keep.all()
    torch.testing.assert_close(weight, torch.tensor([[0.8, 0.6]]))


def test_rejects_the_wrong_class_and_unsure_ones():
    assert kept(logits(2), [[0.9]], [1], [0]) == [False]
    flat = torch.tensor([[[0.2, 0.3, 0.0, 2.0]]])  # right, but at 9 %
    assert kept(flat, [[0.9]], [1], [0]) == [False]
    assert kept(flat, [[0.9]], [1], [0], cls_thr=0.05) == [True]
    # "no object" is left out of the comparison of classes.
    assert kept(flat, [[0.9]], [0], [0], cls_thr=0.05) == [False]
    assert kept(logits(2), [[0.9]], [1], [0], cls_thr=None) == [True]


@pytest.mark.parametrize(('iou', 'keeps'), [(0.49, False), (0.5, True)])
def test_rejects_a_tube_that_overlaps_too_little(iou, keeps):
    assert kept(logits(1), [[iou]], [1], [0]) == [keeps]
    assert kept(logits(1), [[iou]], [1], [0], tube_iou_thr=None) == [True]


def test_rejects_a_query_that_sits_more_on_another_track():
    iou = [[0.6, 0.7], [0.1, 0.2]]
    both = (logits(1, 1), iou, [1, 1])
    assert kept(*both, [0, 1], tube_iou_thr=0.1) == [False, True]
    assert kept(*both, [0, 1], tube_iou_thr=0.1, exclusive=False) == [
        True,
        True,
    ]


def test_padding_and_unmatched_tracks_are_not_kept():
    assert kept(logits(0), [[0.9, 0.9]], [-1, 0], [-1, -1]) == [False, False]
    open_filter = dict(cls_thr=None, tube_iou_thr=None, exclusive=False)
    assert kept(logits(0), [[0.9]], [-1], [0], **open_filter) == [False]


def squares() -> tuple[torch.Tensor, torch.Tensor]:
    """Return masks of two queries and two tracks of 16 and 15 cells."""
    true = torch.zeros(1, 1, 2, 8, 8, dtype=torch.bool)
    true[0, 0, 0, :4, :4] = True
    true[0, 0, 1, 5:8, 3:8] = True
    return SURE * (2 * true.float() - 1), true


def test_student_filter_counts_cells_and_overlap():
    masks, true = squares()
    match = torch.tensor([[[0, 1]]])
    assert filter_student(masks, true, match).tolist() == [[[True, False]]]
    keep = filter_student(masks, true, match, min_cells=15)
    assert keep.all()
    crossed = torch.tensor([[[1, 0]]])
    assert not filter_student(masks, true, crossed, min_cells=1).any()
    assert filter_student(
        masks, true, crossed, min_cells=1, iou_thr=None
    ).all()
    nobody = torch.tensor([[[-1, -1]]])
    assert not filter_student(masks, true, nobody, min_cells=1).any()


def test_a_track_without_cells_is_never_taught():
    masks, true = squares()
    keep = filter_student(
        masks, true & False, torch.tensor([[[0, 1]]]), min_cells=0
    )
    assert not keep.any()


def test_pairs_carry_the_teachers_query_into_every_frame():
    keep = torch.tensor([[[True, False], [True, True]]])
    pairs = join_pairs(
        keep,
        match=torch.tensor([[[3, 4], [5, 6]]]),
        teacher_match=torch.tensor([[8, 9]]),
        weight=torch.tensor([[0.5, 0.25]]),
        labels=torch.tensor([[1, 2]]),
    )
    assert len(pairs) == 3
    assert pairs.frame.tolist() == [0, 1, 1]
    assert pairs.query.tolist() == [3, 5, 6]
    assert pairs.teacher_query.tolist() == [8, 8, 9]
    assert pairs.weight.tolist() == [0.5, 0.5, 0.25]
    assert pairs.label.tolist() == [1, 1, 2]


def test_reliable_tubes_need_a_class_a_mask_and_no_better_twin():
    cls = logits(0, 0, 1, 3, 2)  # 3 is "no object"
    masks = torch.full((1, 5, 2, 4, 4), -SURE)
    masks[0, 0, :, :2] = 1.0  # 73 % sure
    masks[0, 1, :, :2] = SURE  # its twin, surer
    masks[0, 2, :, 3] = SURE
    masks[0, 3, :, 2] = SURE
    masks[0, 4, :, 2, :2] = 0.2  # 55 % sure
    keep, score = reliable_tubes(cls, masks)
    assert keep.tolist() == [[False, True, True, False, False]]
    assert score[0, 1] == pytest.approx(1, abs=1e-4)
    assert reliable_tubes(cls, masks, nms_thr=1.0)[0][0, 0]


def test_a_suppressed_tube_suppresses_none():
    # 0 beats 1, 1 would beat 2, 0 and 2 hardly overlap.
    masks = torch.full((1, 3, 1, 1, 10), -SURE)
    masks[..., 0, 0, 0, 0:6] = 3 * SURE
    masks[0, 1, 0, 0, 2:8] = 3.0
    masks[0, 2, 0, 0, 4:10] = 2.0
    keep, _ = reliable_tubes(logits(0, 0, 0), masks, nms_thr=0.4)
    assert keep.tolist() == [[True, False, True]]
    ties = torch.full((1, 2, 1, 2, 2), SURE)
    assert reliable_tubes(logits(0, 0), ties)[0].sum() == 1
