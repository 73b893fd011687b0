"""Quality control: each rule with a clip that passes and one that fails."""

import pytest
import torch

from slotkd.models.distillers.pseudo_labels import (
    LabelRules,
    confident_clips,
    control_labels,
    cycle_overlap,
    pixel_confidence,
    steady_clips,
)
from tests import vos

VOID = 255


def squares(sides, size=40):
    """Return labels of one clip with an object of these sides over time."""
    labels = torch.zeros(1, len(sides), size, size, dtype=torch.long)
    for t, side in enumerate(sides):
        labels[0, t, :side, :side] = 1
    return labels


def test_confidence_is_the_largest_probability_of_resized_logits():
    logits = torch.tensor([[0.0, 2.0], [4.0, -2.0]]).view(1, 1, 2, 1, 2)
    confidence = pixel_confidence(logits, (1, 3))
    pixels = torch.tensor([[0.0, 4.0], [1.0, 1.0], [2.0, -2.0]])
    torch.testing.assert_close(confidence[0, 0, 0], pixels.softmax(1).amax(1))


@pytest.mark.parametrize(('value', 'passes'), [(0.61, True), (0.59, False)])
def test_mean_probability_of_the_objects(value, passes):
    labels = squares([9, 9, 9])
    confidence = torch.ones(labels.shape)
    confidence[:, 0] = 0  # the reference does not count
    confidence[:, 1:][labels[:, 1:] == 1] = value
    assert confident_clips(labels, confidence, 0.6).tolist() == [passes]


def test_a_clip_without_objects_left_is_not_unsure():
    labels = squares([9, 0, 0])
    confidence = torch.zeros(labels.shape)
    assert confident_clips(labels, confidence, 0.6).tolist() == [True]


@pytest.mark.parametrize(
    ('sides', 'passes'),
    [
        ([10, 20, 28], True),
        ([10, 28, 10], True),
        ([10, 29, 29], False),  # 8.4 times
        ([29, 29, 10], False),
        ([2, 0, 2], True),  # 4 pixels are below 8
        ([3, 0, 0], False),
        ([0, 0, 0], True),
    ],
)
def test_area_may_not_jump(sides, passes):
    assert steady_clips(squares(sides), 3, 8).tolist() == [passes]


def test_overlap_after_the_way_back():
    reference = torch.zeros(4, 6, 6, dtype=torch.long)
    reference[:3, :3] = 1
    reference[0, 4:] = 2
    reference[2, 0, 0] = VOID
    returned = reference.clone()
    returned[0, :3, 3:] = 0
    returned[0, :2] = 0  # 6 of 18 pixels of object 1 are left
    returned[2, 0, 0] = 0
    overlap = cycle_overlap(returned, reference, torch.tensor([2, 1, 1, 0]))
    row = (returned[0] == 1).sum() / 18
    torch.testing.assert_close(overlap, torch.tensor([(row + 1) / 2, 1, 1, 1]))


def certain_record():
    """Return a record whose clips pass every rule, and its reference."""
    output = vos.record(frames=3, objects=1, channels=3, dtype=torch.float32)
    labels = torch.zeros_like(output.labels)
    labels[..., 8:, 8:] = 1
    height, width = output.logits.shape[3:]
    small = labels[..., ::4, ::4]
    assert small.shape[2:] == (height, width)
    logits = torch.full_like(output.logits, -1e10)
    logits[:, :, 0] = 6.0 * (small == 0)
    logits[:, :, 1] = 6.0 * (small == 1)
    record = vos.record(
        frames=3, objects=1, channels=3, logits=logits, labels=labels
    )
    return record, labels[:, 0]


def test_good_clips_keep_their_sure_pixels():
    record, first = certain_record()
    given = first.clone()
    given[:, 0, 0] = VOID
    labels = control_labels(record, given, LabelRules(conf_thr=0.9)).labels
    torch.testing.assert_close(labels[:, 0], given)
    void = labels[:, 1:] == VOID
    assert 0 < void.float().mean() < 0.2
    confidence = pixel_confidence(record.logits, labels.shape[2:])[:, 1:]
    torch.testing.assert_close(void, confidence < 0.9)
    torch.testing.assert_close(
        labels[:, 1:][~void], record.labels[:, 1:][~void]
    )


def test_each_rule_drops_its_clip_whole():
    record, first = certain_record()
    broken = {}
    unsure = record.logits.clone()
    unsure[0] *= 0.01
    broken['clip_conf_thr'] = vos.record(
        frames=3, objects=1, channels=3, logits=unsure, labels=record.labels
    )
    jumping = record.labels.clone()
    jumping[0, 2] = 0
    broken['max_area_ratio'] = vos.record(
        frames=3,
        objects=1,
        channels=3,
        logits=record.logits,
        labels=jumping,
    )
    for name, bad in broken.items():
        labels = control_labels(bad, first, LabelRules()).labels
        dropped = (labels == VOID).flatten(1).all(dim=1)
        assert dropped.tolist() == [True, False], name
    labels = control_labels(
        record,
        first,
        LabelRules(cycle_iou_thr=0.6),
        overlap=torch.tensor([0.5, 0.7]),
    ).labels
    assert (labels == VOID).flatten(1).all(dim=1).tolist() == [True, False]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r'conf_thr=1.5 is outside \[0, 1\]'):
        LabelRules(conf_thr=1.5)
    with pytest.raises(ValueError, match='cycle_iou_thr=-1 is outside'):
        LabelRules(cycle_iou_thr=-1)
    with pytest.raises(ValueError, match='max_area_ratio=1 must be above 1'):
        LabelRules(max_area_ratio=1)
    record, first = certain_record()
    with pytest.raises(ValueError, match='cycle_iou_thr=0.6 needs the'):
        control_labels(record, first, LabelRules(cycle_iou_thr=0.6))
