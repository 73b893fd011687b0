"""Association of whole records: permutations, windows, misfits."""

import dataclasses

import pytest
import torch
from mmengine.logging import MessageHub

from slotkd.models.losses import QueryAssociation
from tests.query_records import SURE, boxes, perfect_student, perfect_teacher

LABELS = [[0, 2, 1], [3], []]
ORDER = torch.tensor([4, 2, 6, 0, 5, 1, 3])


@pytest.fixture
def truth():
    return boxes(LABELS)


def paired(student, teacher, **options):
    association = QueryAssociation(**{'min_cells': 4} | options)
    return association.pairs(student, teacher, student.features)


def tracks(pairs, student_order, teacher_order) -> list[tuple[int, ...]]:
    """Return (clip, frame, student's track, teacher's track), sorted."""
    rows = zip(
        pairs.clip.tolist(),
        pairs.frame.tolist(),
        student_order[pairs.query].tolist(),
        teacher_order[pairs.teacher_query].tolist(),
        strict=True,
    )
    return sorted(rows)


EXPECTED = sorted(
    (clip, frame, track, track)
    for clip, labels in enumerate(LABELS)
    for track in range(len(labels))
    for frame in range(2)
)


@pytest.mark.parametrize('mode', ['gt', 'pseudo'])
@pytest.mark.parametrize('seed', range(3))
def test_a_perfect_teacher_pairs_every_visible_track(truth, mode, seed):
    rng = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(7, generator=rng) for _ in range(2)]
    student = perfect_student(truth, orders[0])
    teacher = perfect_teacher(truth, orders[1])
    pairs = paired(student, teacher, mode=mode)
    assert tracks(pairs, *orders) == EXPECTED
    torch.testing.assert_close(pairs.weight, torch.ones(8), atol=1e-3, rtol=0)
    wanted = {0: 2, 1: 2, 2: 2, 3: 2}
    counts = pairs.label.unique(return_counts=True)
    assert dict(zip(*(c.tolist() for c in counts), strict=True)) == wanted


def test_an_occluded_track_is_paired_where_it_is_seen(truth):
    truth.masks[0, 1, 2] = False
    student, teacher = perfect_student(truth), perfect_teacher(truth)
    found = paired(student, teacher)
    names = tracks(found, torch.arange(7), torch.arange(7))
    assert set(EXPECTED) - set(names) == {(0, 1, 1, 1)}


def test_a_wrong_class_a_loose_tube_and_a_duplicate_are_rejected(truth):
    student, teacher = perfect_student(truth), perfect_teacher(truth)
    cls = teacher.cls_logits.clone()
    cls[0, 0] = torch.roll(cls[0, 0], 1)
    masks = teacher.mask_logits.clone()
    masks[0, 1, 1:] = -SURE  # one frame of four
    cls[1, 5], masks[1, 5] = cls[1, 0], masks[1, 0]  # a duplicate
    found = paired(
        student,
        dataclasses.replace(teacher, cls_logits=cls, mask_logits=masks),
    )
    names = tracks(found, torch.arange(7), torch.arange(7))
    assert [name[:3] for name in names] == [
        (0, 0, 2),
        (0, 1, 2),
        (1, 0, 0),
        (1, 1, 0),
    ]
    assert len(found.teacher_query[found.clip == 1].unique()) == 1


def test_the_student_filter_begins_at_its_iteration(truth):
    student, teacher = perfect_student(truth), perfect_teacher(truth)
    poor = dataclasses.replace(
        student, mask_logits=torch.full_like(student.mask_logits, SURE)
    )
    counts = []
    for step in (0, 4, 5, 9):
        MessageHub.get_current_instance().update_info('iter', step)
        counts.append(len(paired(poor, teacher, student_filter_begin=5)))
    assert counts == [8, 8, 0, 0]


def test_pairs_by_index_and_by_cosine(truth):
    student = perfect_student(truth, ORDER)
    teacher = perfect_teacher(truth)
    by_index = paired(student, teacher, mode='index')
    assert len(by_index) == 3 * 2 * 7
    assert torch.equal(by_index.query, by_index.teacher_query)
    rotated = dataclasses.replace(
        student, embeds=teacher.embeds[:, None, ORDER].expand(-1, 2, -1, -1)
    )
    by_cosine = paired(rotated, teacher, mode='cosine')
    assert torch.equal(ORDER[by_cosine.query], by_cosine.teacher_query)


def test_nothing_is_paired_in_clips_without_tracks():
    truth = boxes([[], []])
    for mode in ('gt', 'pseudo'):
        student, teacher = perfect_student(truth), perfect_teacher(truth)
        assert len(paired(student, teacher, mode=mode)) == 0


def test_grids_may_differ(truth):
    teacher = perfect_teacher(truth)
    small = torch.nn.functional.avg_pool3d(teacher.mask_logits, (1, 2, 2))
    coarse = dataclasses.replace(teacher, mask_logits=small)
    for mode in ('gt', 'pseudo'):
        assert len(paired(perfect_student(truth), coarse, mode=mode)) == 8


def test_equal_weights_on_demand(truth):
    teacher = perfect_teacher(truth)
    unsure = dataclasses.replace(teacher, cls_logits=teacher.cls_logits / 10)
    student = perfect_student(truth)
    assert (paired(student, unsure).weight < 0.7).all()
    assert (paired(student, unsure, weight='none').weight == 1).all()


def test_refuses_records_that_do_not_fit(truth):
    student, teacher = perfect_student(truth), perfect_teacher(truth)
    for other, told in (
        (perfect_teacher(truth, classes=5), 'has 5 classes.* teacher 6'),
        (perfect_teacher(boxes([[0]])), 'has 3 clips, the teacher 1'),
        (perfect_teacher(boxes(LABELS, 5)), '4 annotated .* teacher saw 5'),
    ):
        with pytest.raises(ValueError, match=told):
            paired(student, other)
    blind = dataclasses.replace(student, targets=None, match=None)
    with pytest.raises(ValueError, match='the student has no targets'):
        paired(blind, teacher)
    assert len(paired(blind, teacher, mode='pseudo')) == 8


def test_refuses_unknown_options():
    with pytest.raises(ValueError, match=r"qfa.mode='truth' is not one of"):
        QueryAssociation(mode='truth')
    with pytest.raises(ValueError, match=r"qfa.weight='iou' is not one of"):
        QueryAssociation(weight='iou')
    with pytest.raises(ValueError, match=r'qfa.tube_iou_thr .* got 1.5'):
        QueryAssociation(tube_iou_thr=1.5)
