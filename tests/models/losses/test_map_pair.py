"""Two maps of two records: which, of what size, with how many channels."""

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.losses.map_pair import (
    MapPair,
    labelled_pixels,
    mean_where,
    pick_map,
    resize_map,
)
from tests.segmentors import record


def pair(source='feats', ours=-1, theirs=-1, channels=(None, None)):
    return MapPair(source, ours, theirs, *channels)


def test_levels_are_chosen_by_index():
    student, teacher = record(), record()
    for index in (0, 1, -1, -2):
        found = pair(ours=index, theirs=index)(student, teacher)
        assert found[0] is student.feats[index]
        assert torch.equal(found[1], teacher.feats[index])


def test_the_teacher_is_resized_to_the_student_and_detached():
    student = record()
    teacher = record(grid=(8, 10))
    teacher.logits.requires_grad_()
    ours, theirs = pair('logits')(student, teacher)
    expected = F.interpolate(teacher.logits, (4, 6), mode='bilinear')
    assert ours is student.logits
    torch.testing.assert_close(theirs, expected)
    assert not theirs.requires_grad


def test_the_student_is_projected_where_channels_differ():
    student, teacher = record(), record(channels=(12, 8))
    mapped = pair(ours=0, theirs=0, channels=(6, 12))
    ours, theirs = mapped(student, teacher)
    assert ours.shape == theirs.shape == (2, 12, 4, 6)
    assert sum(p.numel() for p in mapped.parameters()) == 6 * 12 + 12
    assert not list(pair(channels=(8, 8)).parameters())


def test_slot_maps_are_compared_with_a_level_of_the_student():
    student = record()
    teacher = record(slot_maps=(torch.randn(2, 8, 3, 5),))
    mapped = pair('slot_maps', ours=1)
    ours, theirs = mapped(student, teacher)
    assert ours is student.feats[1]
    assert theirs.shape == ours.shape
    assert (mapped.student_field, mapped.teacher_field) == (
        'feats',
        'slot_maps',
    )


def test_half_precision_is_resized_in_full():
    maps = torch.randn(1, 2, 4, 4).bfloat16()
    assert resize_map(maps, (8, 8)).dtype == torch.float32
    assert resize_map(maps, (4, 4)) is maps


def test_labels_are_looked_up_at_the_nearest_pixel():
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[0, 0, 0] = labels[0, 2, 3] = 255
    found = labelled_pixels(labels, (2, 2), 255)
    assert found.tolist() == [[[False, True], [True, True]]]
    assert labelled_pixels(labels, (2, 2), None) is None
    assert labelled_pixels(None, (2, 2), 255) is None


def test_a_mean_over_nothing_is_a_connected_zero():
    values = torch.tensor([1.0, torch.inf], requires_grad=True)
    none = mean_where(values, torch.zeros(2, dtype=torch.bool))
    none.backward()
    assert none == 0 and not values.grad.any()
    some = mean_where(values, torch.tensor([True, False]))
    assert some == 1


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(source='recon'), "source='recon' is not one of 'logits', 'fea"),
        (
            dict(source='logits', ours=1),
            'leave out student_index 1 and teacher_index -1',
        ),
        (dict(channels=(3, None)), 'or neither; got 3 and None'),
    ],
)
def test_wrong_options_are_found_at_build(options, message):
    with pytest.raises(ValueError, match=message):
        pair(**options)


def test_maps_that_do_not_fit_are_named():
    student, teacher = record(), record(channels=(12, 9))
    with pytest.raises(ValueError, match='8 channels in feats, the teacher 9'):
        pair()(student, teacher)
    with pytest.raises(ValueError, match=r'are \(8, 12\), but .* \(8, 9\)'):
        pair(channels=(8, 12))(student, teacher)
    with pytest.raises(ValueError, match='student has 2 maps in feats, none'):
        pair(ours=2)(student, teacher)
    with pytest.raises(ValueError, match='teacher has 0 maps in slot_maps'):
        pair('slot_maps')(student, teacher)
    with pytest.raises(ValueError, match='has 0 maps in peer_logits'):
        pick_map(student, 'peer_logits', -1, 'student')
