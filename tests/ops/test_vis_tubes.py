"""Annotations of tubes: where they are, how large, and when they are not."""

import numpy as np
import pytest

from slotkd.ops.rle import decode_mask
from slotkd.ops.vis_tubes import annotate_tube


@pytest.fixture
def tube():
    """Three frames: 2 x 3 pixels, nothing, a single pixel."""
    masks = np.zeros((3, 6, 7), bool)
    masks[0, 1:3, 2:5] = True
    masks[2, 5, 6] = True
    return masks


def test_masks_boxes_and_areas(tube):
    track = annotate_tube(tube)
    assert track['bboxes'] == [[2, 1, 3, 2], None, [6, 5, 1, 1]]
    assert track['areas'] == [6, None, 1]
    assert track['iscrowd'] == 0 and track['segmentations'][1] is None
    for t in (0, 2):
        found = decode_mask(track['segmentations'][t], (6, 7))
        np.testing.assert_array_equal(found, tube[t])


def test_specks_count_as_absent(tube):
    track = annotate_tube(tube, min_pixels=6)
    assert track['areas'] == [6, None, None]
    assert annotate_tube(tube, min_pixels=7) is None
    assert annotate_tube(np.zeros((2, 4, 4), bool)) is None
