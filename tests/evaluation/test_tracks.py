import numpy as np
import pytest

from slotkd.evaluation.tracks import label_tracks, read_track, track_ious
from slotkd.ops.rle import encode_mask
from slotkd.ops.vis_annotations import VisVideo

VIDEO = VisVideo(id=1, length=4, size=(9, 7))


def _tracks(count, seed=0):
    """Draw boolean volumes with absent and empty frames."""
    generator = np.random.default_rng(seed)
    volumes = generator.random((count, 4, *VIDEO.size)) < 0.4
    volumes[generator.random((count, 4)) < 0.3] = False
    return volumes


def _read(volume):
    return read_track(
        [encode_mask(frame) if frame.any() else None for frame in volume],
        VIDEO,
    )


def test_iou_equals_dense_volumes():
    pred, true = _tracks(6), _tracks(5, seed=1)
    true[0] = pred[0]
    true[1] = False
    ious = track_ious([_read(v) for v in pred], [_read(v) for v in true])
    for row, a in enumerate(pred):
        for column, b in enumerate(true):
            union = (a | b).sum()
            expected = (a & b).sum() / union if union else 0
            assert ious[row, column] == pytest.approx(expected, abs=1e-12)
    assert ious[0, 0] == 1


def test_no_tracks():
    track = _read(_tracks(1)[0])
    assert track_ious([], [track]).shape == (0, 1)
    assert track_ious([track], []).shape == (1, 0)
    empty = read_track([None] * 4, VIDEO)
    assert track_ious([empty], [empty]).tolist() == [[0]]
    assert empty.area == 0


def test_absent_frame_adds_to_the_union():
    square = np.zeros((4, 9, 7), bool)
    square[:, 2:5, 2:5] = True
    partial = square.copy()
    partial[3] = False
    assert track_ious([_read(partial)], [_read(square)]).item() == 0.75


def test_area_is_the_mean_over_frames_with_pixels():
    volume = np.zeros((4, 9, 7), bool)
    volume[1, 0, :4] = True
    volume[3, 0, :2] = True
    assert _read(volume).area == 3
    masks = [encode_mask(frame) for frame in volume]
    assert read_track(masks, VIDEO).area == 3
    assert read_track(masks, VIDEO, [None, 10, 0, 20]).area == 15


def test_frames_must_match_the_video():
    with pytest.raises(ValueError, match='3 segmentations.* 4 frames'):
        read_track([None] * 3, VIDEO)
    other = encode_mask(np.ones((7, 9), bool))
    with pytest.raises(ValueError, match=r'frame 2: .*\[7, 9\].*\[9, 7\]'):
        read_track([None, None, other, None], VIDEO)


def test_labels_are_tracks():
    labels = np.random.default_rng(3).integers(0, 3, (4, *VIDEO.size))
    labels[2] = 1
    tracks = label_tracks(labels, 4)
    for label, track in enumerate(tracks):
        read = _read(labels == label)
        np.testing.assert_array_equal(
            track_ious([track], [read]), [[float(label < 3)]]
        )
        assert (track.pixels, track.area) == (read.pixels, read.area)
