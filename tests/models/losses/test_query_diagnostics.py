"""Diagnostics of the association: perfect, wrong and empty cases."""

import dataclasses

import pytest
import torch

from slotkd.models.losses import QueryAssociation, query_diagnostics
from slotkd.models.losses.query_diagnostics import cross_frame_cosines
from tests.query_records import boxes, perfect_student, perfect_teacher

LABELS = [[0, 2], [2]]


def numbers(student, teacher, **options) -> dict[str, float]:
    association = QueryAssociation(**dict(min_cells=4) | options)
    pairs = association.pairs(student, teacher, student.features)
    found = query_diagnostics(student, teacher, pairs, association)
    return {key: value.item() for key, value in found.items()}


def test_a_perfect_teacher():
    truth = boxes(LABELS)
    found = numbers(perfect_student(truth), perfect_teacher(truth))
    assert found['pass_rate'] == found['pass_rate_0'] == 1
    assert found['pass_rate_2'] == found['pair_accuracy'] == 1
    assert found['pairs'] == pytest.approx(6 / 4)
    assert found['mean_weight'] == pytest.approx(1, abs=1e-3)
    assert 'pass_rate_1' not in found  # no such track


def test_pass_rate_counts_what_the_filter_rejects():
    truth = boxes(LABELS)
    teacher = perfect_teacher(truth)
    cls = teacher.cls_logits.clone()
    cls[0, 1] = cls[0, 1].roll(1)
    wrong = dataclasses.replace(teacher, cls_logits=cls)
    found = numbers(perfect_student(truth), wrong)
    assert found['pass_rate'] == pytest.approx(2 / 3)
    assert found['pass_rate_2'] == 0.5 and found['pass_rate_0'] == 1


def test_pairs_by_index_hardly_ever_mean_one_object():
    truth = boxes(LABELS)
    order = torch.tensor([4, 2, 6, 0, 5, 1, 3])
    student = perfect_student(truth, order)
    found = numbers(student, perfect_teacher(truth), mode='index')
    assert found['pairs'] == 7 and found['pair_accuracy'] == 0
    found = numbers(
        perfect_student(truth), perfect_teacher(truth), mode='index'
    )
    assert found['pair_accuracy'] == pytest.approx(6 / 28)


def test_cosines_across_frames():
    embeds = torch.tensor([[[[1.0, 0], [0, 1]], [[1, 0], [1, 0]]]])
    match = torch.tensor([[[0, 1], [0, 1]]])
    same, different = cross_frame_cosines(embeds, match)
    assert sorted(same.tolist()) == [0, 0, 1, 1]
    assert sorted(different.tolist()) == [0, 0, 1, 1]
    same, different = cross_frame_cosines(embeds, torch.tensor([[[0], [-1]]]))
    assert len(same) == len(different) == 0


def test_cosine_between_the_teachers_tracks():
    truth = boxes(LABELS)
    teacher = perfect_teacher(truth)
    found = numbers(perfect_student(truth), teacher)
    expected = torch.cosine_similarity(*teacher.embeds[0, :2], dim=0)
    assert found['teacher_cosine'] == pytest.approx(expected.item(), abs=1e-5)
    alone = boxes([[0]])
    found = numbers(perfect_student(alone), perfect_teacher(alone))
    assert 'teacher_cosine' not in found and 'different_cosine' not in found


def test_clips_without_tracks_or_annotations():
    truth = boxes([[]])
    student, teacher = perfect_student(truth), perfect_teacher(truth)
    assert numbers(student, teacher) == {'pairs': 0}
    blind = dataclasses.replace(student, targets=None, match=None)
    assert numbers(blind, teacher, mode='pseudo') == {'pairs': 0}
