"""Frame annotations: what is kept, measured and left out; mmdet reads them."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_masks

from slotkd.ops.rle import decode_mask, encode_mask
from slotkd.ops.vis_annotations import read_annotations
from slotkd.ops.vis_frames import vis_as_frames
from tests.vis_files import write_squares


def frames_of(path, **changes):
    content = json.loads(path.read_text())
    for annotation in content['annotations']:
        annotation.update(changes)
    return vis_as_frames(read_annotations(content))


def test_one_image_per_frame_one_annotation_per_mask(tmp_path):
    path = write_squares(tmp_path, [[1, 2], [3]], absent=((0, 1, 2),))
    found = frames_of(path)
    assert [i['id'] for i in found['images']] == list(range(1, 13))
    assert [i['frame_id'] for i in found['images'][6:8]] == [0, 1]
    assert found['images'][7]['file_name'] == 'video1/001.png'
    annotations = found['annotations']
    assert [a['id'] for a in annotations] == list(range(1, 18))
    assert [a['instance_id'] for a in annotations] == [1] * 6 + [2] * 5 + [
        3
    ] * 6
    assert 3 not in [a['image_id'] for a in annotations[6:11]]
    assert [v['id'] for v in found['videos']] == [1, 2]


def test_boxes_and_areas_are_measured_where_there_are_none(tmp_path):
    path = write_squares(tmp_path, [[1, 2]])
    given = frames_of(path)
    measured = frames_of(path, bboxes=None, areas=None)
    assert measured == given


def test_masks_are_those_that_pycocotools_reads(tmp_path):
    path = write_squares(tmp_path, [[1]])
    entry = frames_of(path)['annotations'][2]
    theirs = coco_masks.decode(entry['segmentation'])
    np.testing.assert_array_equal(
        theirs, decode_mask(entry['segmentation'], (48, 64))
    )


def test_an_empty_mask_is_absent(tmp_path):
    path = write_squares(tmp_path, [[1]])
    content = json.loads(path.read_text())
    track = content['annotations'][0]
    track['segmentations'][1] = encode_mask(np.zeros((48, 64), bool))
    track['areas'] = track['bboxes'] = None
    found = vis_as_frames(read_annotations(content))
    assert len(found['annotations']) == 5


def test_refuses_videos_without_files(tmp_path):
    path = write_squares(tmp_path, [[1]])
    content = json.loads(path.read_text())
    del content['videos'][0]['file_names']
    with pytest.raises(ValueError, match='video 1 names no files'):
        vis_as_frames(read_annotations(content))
