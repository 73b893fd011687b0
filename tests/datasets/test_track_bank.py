"""The bank of tracks: which are usable, how they are read."""

import json

import numpy as np
import pytest

from slotkd.datasets.track_bank import TrackBank, track_areas
from slotkd.ops.vis_annotations import read_annotations
from tests.vis_files import COLOURS, write_squares


def test_counts_all_and_keeps_the_large_and_long(tmp_path):
    gone = tuple((1, 0, t) for t in range(3))
    path = write_squares(tmp_path, [[1, 1, 2], [3]], absent=gone)
    bank = TrackBank(path, tmp_path)
    assert bank.counts.tolist() == [2, 1, 1]
    assert [len(s) for s in bank.sources] == [2, 1, 0]  # 3 of 6 frames
    assert bank.tracks_per_video == 2
    assert len(TrackBank(path, tmp_path, min_share=0.5).sources[2]) == 1
    small = TrackBank(path, tmp_path, min_area=0.5)
    assert not any(small.sources) and small.counts.sum() == 4


def test_crowds_are_left_out(tmp_path):
    path = write_squares(tmp_path, [[1, 2]])
    content = json.loads(path.read_text())
    content['annotations'][1]['iscrowd'] = 1
    path.write_text(json.dumps(content))
    assert TrackBank(path, tmp_path).counts.tolist() == [1, 0, 0]


def test_reads_frames_in_rgb_with_masks_in_any_order(tmp_path):
    path = write_squares(tmp_path, [[1, 2]], absent=((0, 1, 3),))
    bank = TrackBank(path, tmp_path)
    frames, masks = bank.read(bank.sources[1][0], [4, 3, 3, 2])
    assert (frames[0][masks[0]] == COLOURS[1]).all()
    assert masks.sum(axis=(1, 2)).tolist() == [196, 0, 0, 196]
    np.testing.assert_array_equal(frames[1], frames[2])


def test_areas_without_annotated_ones(tmp_path):
    path = write_squares(tmp_path, [[1]], absent=((0, 0, 2),))
    content = json.loads(path.read_text())
    del content['annotations'][0]['areas']
    truth = read_annotations(content)
    areas = track_areas(truth.tracks[1][0], truth.videos[1])
    assert areas.tolist() == [196, 196, 0, 196, 196, 196]


def test_refuses_a_file_without_tracks(tmp_path):
    path = write_squares(tmp_path, [[]])
    with pytest.raises(ValueError, match=r'train.json: there is no track'):
        TrackBank(path, tmp_path)
