import numpy as np
import pytest

from slotkd.apis.segments import UNSEEN, Segment, Tally


def segment(masks: np.ndarray, seconds: float) -> Segment:
    return Segment(
        names=[str(i) for i in range(len(masks))],
        frames=np.zeros((*masks.shape, 3), np.uint8),
        masks=masks.astype(np.uint8),
        network_size=(2, 2),
        seconds=seconds,
    )


def test_shares_are_those_of_all_frames():
    tally = Tally(3)
    tally.add(segment(np.zeros((1, 2, 4)), 0.5))
    masks = np.full((2, 2, 4), 2)
    masks[1, 0] = UNSEEN
    tally.add(segment(masks, 1.0))
    counted = tally.as_dict()
    assert counted['frames'] == 3
    assert counted['size'] == [2, 4]
    assert counted['network_size'] == [2, 2]
    assert counted['pixel_share'] == pytest.approx([1 / 3, 0, 0.5])
    assert counted['unseen_share'] == pytest.approx(1 / 6)
    assert counted['frames_per_s'] == pytest.approx(2)
