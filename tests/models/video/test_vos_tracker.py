"""The engine: one frame at a time, late objects, many objects."""

import pytest
import torch

from slotkd.models.video import VosTracker
from slotkd.models.video.vos_tracker import (
    follow_masks,
    nearest_labels,
    new_labels,
)
from tests import tiny_vos


def model(**changes):
    made = tiny_vos.vos_model(**changes).eval()
    tiny_vos.moved_offsets(made)
    return made


def squares(*labels, side=49):
    """Return a mask with a square for each label, side by side."""
    mask = torch.zeros(side, side, dtype=torch.long)
    width = side // len(labels)
    for index, label in enumerate(labels):
        mask[8:30, index * width : (index + 1) * width - 1] = label
    return mask


def track(made, clip, given):
    """Return the frames of a clip; ``given`` maps frames to masks."""
    tracker = VosTracker(made)
    return [tracker.step(image, given.get(t)) for t, image in enumerate(clip)]


@torch.no_grad()
def test_frame_by_frame_equals_the_clip():
    made = model(num_layers=2, memory=dict(gap=2))
    inputs, first = tiny_vos.clip(frames=6)
    whole = made.run(inputs, first, torch.tensor([2]))
    frames = track(made, inputs[0], {0: first[0]})
    for t in range(1, 6):
        assert torch.equal(frames[t].labels, whole.labels[0, t])
        assert frames[t].ids == (0, 1, 2)


def test_the_first_mask_is_reproduced():
    inputs, first = tiny_vos.clip()
    (frame,) = track(model(), inputs[0, :1], {0: first[0]})
    assert torch.equal(frame.labels, first[0])
    torch.testing.assert_close(frame.probs.sum(dim=0), torch.ones(49, 49))


def test_any_labels_are_kept():
    inputs, _ = tiny_vos.clip()
    named = track(model(), inputs[0], {0: squares(40, 7)})
    plain = track(model(), inputs[0], {0: squares(2, 1)})
    assert named[1].ids == (0, 7, 40)
    table = torch.tensor([0, 7, 40])
    for one, other in zip(named, plain, strict=True):
        assert torch.equal(one.labels, table[other.labels])


def test_nothing_is_followed_before_a_mask():
    inputs, _ = tiny_vos.clip()
    frames = track(model(), inputs[0], {2: squares(5)})
    assert frames[0].ids == frames[1].ids == (0,)
    assert frames[1].labels.max() == 0
    assert torch.equal(frames[2].labels, squares(5))
    assert frames[3].ids == (0, 5)


def test_void_and_background_give_nothing():
    mask = squares(1)
    mask[:3] = 255
    assert new_labels(mask, [0]) == [1]
    assert new_labels(mask, [0, 1]) == []
    inputs, _ = tiny_vos.clip()
    frame = track(model(), inputs[0, :1], {0: mask})[0]
    assert frame.labels.max() == 1


def test_late_objects_take_their_pixels_and_no_others():
    """Spec: merged at their first frame; the rest stays as predicted."""
    inputs, _ = tiny_vos.clip(frames=5)
    first, late = squares(1, 2), torch.zeros(49, 49, dtype=torch.long)
    late[20:40, 10:30] = 3
    # A mask of a followed object is not read, wherever it is.
    late[0:4] = 1
    without = track(model(), inputs[0], {0: first})
    merged = track(model(), inputs[0], {0: first, 2: late})
    for t in range(2):
        assert torch.equal(merged[t].labels, without[t].labels)
    expected = without[2].labels.masked_fill(late == 3, 3)
    assert torch.equal(merged[2].labels, expected)
    assert merged[3].ids == (0, 1, 2, 3)
    assert not torch.equal(merged[3].probs[:3], without[3].probs)


def test_a_late_object_is_one_more_reference():
    made = model(memory=dict(gap=1, n_mem=1))
    tracker = VosTracker(made)
    inputs, _ = tiny_vos.clip(frames=4)
    late = torch.zeros(49, 49, dtype=torch.long)
    late[20:40, 10:30] = 9
    for t, image in enumerate(inputs[0]):
        tracker.step(image, {0: squares(1), 1: late}.get(t))
    state = tracker._groups[0].state
    assert state.times == (0, 1, 3) and state.num_references == 2


def test_more_objects_than_channels_go_into_groups():
    made = model(num_objects=3)
    inputs, _ = tiny_vos.clip()
    mask = squares(*range(1, 8))
    frames = track(made, inputs[0], {0: mask})
    assert torch.equal(frames[0].labels, mask)
    assert frames[1].probs.shape == (8, 49, 49)
    torch.testing.assert_close(frames[1].probs.sum(dim=0), torch.ones(49, 49))
    assert (frames[1].probs > 0).all()


@torch.no_grad()
def test_each_group_sees_other_objects_as_background():
    made = model(num_objects=2)
    inputs, _ = tiny_vos.clip()
    tracker = VosTracker(made)
    mask = squares(1, 2, 3)
    for t, image in enumerate(inputs[0, :2]):
        frame = tracker.step(image, mask if t == 0 else None)
    alone = []
    for labels in ((1, 2), (3,)):
        own = mask.where(torch.isin(mask, torch.tensor(labels)), 0)
        alone.append(track(made, inputs[0, :2], {0: own})[1].probs)
    background = alone[0][0] * alone[1][0]
    joined = torch.cat([background[None], alone[0][1:], alone[1][1:]])
    odds = joined.clamp(1e-5, 1 - 1e-5)
    odds = odds / (1 - odds)
    torch.testing.assert_close(frame.probs, odds / odds.sum(dim=0))


def test_a_late_object_fills_a_group_and_opens_the_next():
    made = model(num_objects=2)
    inputs, _ = tiny_vos.clip(frames=4)
    late = torch.zeros(49, 49, dtype=torch.long)
    late[35:45, 5:20], late[35:45, 25:40] = 8, 9
    tracker = VosTracker(made)
    for t, image in enumerate(inputs[0]):
        frame = tracker.step(image, {0: squares(4), 2: late}.get(t))
    assert frame.ids == (0, 4, 8, 9)
    assert [group.count for group in tracker._groups] == [2, 1]
    assert tracker._groups[0].state.times == (0, 2)
    assert tracker._groups[1].state.times == (2,)
    assert {g.state.time for g in tracker._groups} == {3}


def test_memory_does_not_grow_with_the_video():
    made = model(memory=dict(gap=2, n_mem=2))
    tracker = VosTracker(made)
    inputs, first = tiny_vos.clip()
    sizes = []
    for t in range(50):
        tracker.step(inputs[0, t % 4], first[0] if t == 0 else None)
        (group,) = tracker._groups
        parts = (*group.state.long, *group.state.short)
        sizes.append(sum(p.key.numel() + p.value.numel() for p in parts))
    assert len(set(sizes[6:])) == 1
    assert group.state.times[0] == 0


def test_masks_of_another_size_are_followed_at_their_size():
    inputs, _ = tiny_vos.clip()
    mask = torch.zeros(4, 80, 90, dtype=torch.long)
    mask[0, 10:40, 20:70] = 6
    followed = follow_masks(model(), inputs[0], mask)
    assert followed.shape == mask.shape
    assert torch.equal(followed[0], mask[0])
    assert set(followed.unique().tolist()) <= {0, 6}


@pytest.mark.parametrize('with_late_objects', [True, False])
def test_later_truth_is_read_only_where_objects_appear(with_late_objects):
    inputs, _ = tiny_vos.clip()
    masks = squares(1, 2).expand(4, -1, -1).clone()
    masks[2:, 35:45, 10:20] = 3
    poisoned = masks.clone()
    # Whatever is known by then, and void, must not matter.
    poisoned[1] = squares(2, 1)
    poisoned[2, :30] = 255
    poisoned[3] = 3
    one, other = (
        follow_masks(
            model(), inputs[0], m, with_late_objects=with_late_objects
        )
        for m in (masks, poisoned)
    )
    assert torch.equal(one, other)
    assert (3 in one[2]) == with_late_objects
    if with_late_objects:
        assert torch.equal(one[2] == 3, masks[2] == 3)


def test_truth_of_an_object_too_small_for_the_network_is_not_painted_on():
    inputs, _ = tiny_vos.clip()
    size = (4 * inputs.shape[3], 4 * inputs.shape[4])
    masks = torch.zeros(4, *size, dtype=torch.long)
    masks[:, 16:60, 16:60] = 1
    rows = torch.arange(size[0])[:, None].expand(size)
    seen = nearest_labels(rows, (inputs.shape[3], inputs.shape[4]))
    unseen = next(row for row in range(80, 99) if row not in seen)
    masks[1:, unseen, :20] = 2
    labels = follow_masks(model(), inputs[0], masks, with_late_objects=True)
    assert torch.equal(labels[1] == 2, masks[1] == 2)
    assert not (labels[2:] == 2).any()
