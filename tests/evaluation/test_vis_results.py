"""The file that servers take."""

import json

import pytest

from slotkd.evaluation import VideoResultWriter, video_average_precision
from tests.vis_files import write_squares


def test_results_are_written_and_can_be_scored(tmp_path):
    truth = json.loads(write_squares(tmp_path, [[1, 2], [3]]).read_text())
    out = tmp_path / 'deep' / 'results.json'
    metric = VideoResultWriter(str(out))
    for name in (2, 1):
        tracks = [
            dict(
                category_id=a['category_id'],
                score=0.5,
                track_id=7,
                segmentations=a['segmentations'],
            )
            for a in truth['annotations']
            if a['video_id'] == name
        ]
        metric.process(None, [dict(video_id=name, pred_tracks=tracks)])
    numbers = metric.evaluate(2)
    assert numbers == {'written_videos': 2, 'written_tracks': 3}
    entries = json.loads(out.read_text())
    assert [e['video_id'] for e in entries] == [1, 1, 2]
    assert set(entries[0]) == {
        'video_id',
        'category_id',
        'score',
        'segmentations',
    }
    assert video_average_precision(truth, str(out))['AP'] == 1


def test_refuses_other_files_and_samples(tmp_path):
    with pytest.raises(ValueError, match='must name a .json file: out.txt'):
        VideoResultWriter('out.txt')
    metric = VideoResultWriter(str(tmp_path / 'r.json'))
    with pytest.raises(ValueError, match="video 1 has no field 'pred_tracks'"):
        metric.process(None, [dict(video_id=1)])
