import numpy as np
import pytest

from slotkd.ops.instance_labels import labels_from_channels


def test_channels_become_labels():
    channels = np.zeros((3, 2, 1, 4), bool)
    channels[0, 0, 0, :2] = True
    channels[2, 1, 0, 3] = True
    labels = labels_from_channels(channels, (2, 1, 4))
    assert labels.tolist() == [[[1, 1, 0, 0]], [[0, 0, 0, 3]]]


def test_overlaps_raise_or_become_void():
    channels = np.ones((3, 1, 3), bool)
    channels[1:, 0, 0] = False
    with pytest.raises(ValueError, match='overlap in 2 pixels'):
        labels_from_channels(channels, (1, 3))
    labels = labels_from_channels(channels, (1, 3), ignore_overlaps=True)
    assert labels.tolist() == [[1, 255, 255]]


def test_no_instance_is_all_background():
    assert labels_from_channels([], (2, 2)).tolist() == [[0, 0], [0, 0]]


def test_as_many_instances_as_labels_below_void():
    channels = np.zeros((254, 1, 1), bool)
    channels[253] = True
    assert labels_from_channels(channels, (1, 1)).item() == 254
    with pytest.raises(ValueError, match='255 .*void 255'):
        labels_from_channels(np.zeros((255, 1, 1), bool), (1, 1))


def test_a_mask_of_another_shape_is_named():
    masks = [np.zeros((1, 2), bool), np.zeros((2, 1), bool)]
    with pytest.raises(ValueError, match=r'instance 2 .*\(2, 1\).*\(1, 2\)'):
        labels_from_channels(masks, (1, 2))
