"""Slots become objects: the background goes, sizes decide the rest."""

import pytest
import torch

from slotkd.ops.slot_objects import slots_to_objects


def frame():
    """Slot 3 around, slot 0 large, slot 5 small, slot 1 a single pixel."""
    slots = torch.full((20, 30), 3)
    slots[2:10, 5:15] = 0
    slots[12:16, 20:24] = 5
    slots[18, 28] = 1
    return slots


def test_background_is_the_slot_on_the_border():
    objects = slots_to_objects(frame())
    expected = torch.zeros(20, 30, dtype=torch.long)
    expected[2:10, 5:15], expected[12:16, 20:24] = 1, 2
    assert torch.equal(objects, expected)


def test_a_large_object_in_the_middle_is_not_the_background():
    slots = torch.full((20, 20), 2)
    slots[1:-1, 1:-1] = 4
    assert slots_to_objects(slots)[10, 10] == 1


def test_small_slots_count_if_wanted_and_only_so_many():
    objects = slots_to_objects(frame(), min_share=0)
    assert objects.max() == 3 and objects[18, 28] == 3
    objects = slots_to_objects(frame(), max_objects=1)
    assert objects.max() == 1 and objects[3, 6] == 1


def test_pixels_without_slot_are_neither():
    slots = frame()
    slots[:, :4] = slots[:, -4:] = 255
    objects = slots_to_objects(slots)
    assert objects[:, :4].max() == 0 and objects.max() == 2


def test_nothing_to_follow():
    with pytest.raises(ValueError, match=r'background \(slot 7\)'):
        slots_to_objects(torch.full((4, 4), 7))


@pytest.mark.parametrize('wrong', [dict(max_objects=0), dict(min_share=2)])
def test_numbers_are_checked(wrong):
    with pytest.raises(ValueError, match='max_objects must be at least 1'):
        slots_to_objects(frame(), **wrong)
