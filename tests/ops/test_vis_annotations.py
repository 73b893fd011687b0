import copy
import json
import subprocess
import sys

import numpy as np
import pytest

from slotkd.ops.rle import encode_mask
from slotkd.ops.vis_annotations import (
    VisTrack,
    VisVideo,
    coco_as_vis,
    load_json,
    pick_videos,
    read_annotations,
)

MASK = encode_mask(np.eye(4, 5, dtype=bool))


@pytest.fixture
def content():
    """Two videos and two tracks, ids out of order."""
    return dict(
        videos=[
            dict(
                id=7,
                height=4,
                width=5,
                length=2,
                file_names=['b/0.jpg', 'b/5.jpg'],
            ),
            dict(id=3, height=4, width=5, file_names=['a/0.jpg']),
        ],
        categories=[dict(id=30, name='ape'), dict(id=4, name='cat')],
        annotations=[
            dict(
                id=2,
                video_id=7,
                category_id=4,
                segmentations=[None, MASK],
                bboxes=[None, [0, 0, 4, 4]],
                areas=[None, 4],
                occlusion=[None, 'no_occlusion'],
            ),
            dict(
                id=1,
                video_id=7,
                category_id=30,
                iscrowd=1,
                segmentations=[[[0, 0, 3, 0, 3, 3]], None],
            ),
        ],
    )


def test_videos_tracks_and_categories(content):
    truth = read_annotations(content)
    assert list(truth.videos) == list(truth.tracks) == [3, 7]
    assert truth.videos[3] == VisVideo(
        id=3, length=1, size=(4, 5), file_names=('a/0.jpg',)
    )
    assert truth.tracks[3] == []
    first, second = truth.tracks[7]
    assert first == VisTrack(
        id=2,
        video_id=7,
        category_id=4,
        segmentations=[None, MASK],
        areas=[None, 4],
        boxes=[None, [0, 0, 4, 4]],
        occlusion=[None, 'no_occlusion'],
    )
    assert (second.id, second.is_crowd, second.areas) == (1, True, None)


def test_category_ids_become_contiguous_labels_in_their_order(content):
    truth = read_annotations(content)
    assert truth.categories == {4: 'cat', 30: 'ape'}
    assert truth.class_names == ('cat', 'ape')
    assert truth.labels == {4: 0, 30: 1}


def test_annotations_may_be_left_unread(content):
    del content['annotations']
    assert read_annotations(content, with_tracks=False).tracks[7] == []
    with pytest.raises(ValueError, match="the truth has no field 'annotation"):
        read_annotations(content)
    content['annotations'] = None
    with pytest.raises(ValueError, match='list, got null, as in official'):
        read_annotations(content)


def test_json_from_path_or_object(content, tmp_path):
    path = tmp_path / 'größe.json'
    path.write_text(json.dumps(content), encoding='utf-8')
    assert load_json(path) == load_json(str(path)) == content
    assert read_annotations(path) == read_annotations(content)


@pytest.mark.parametrize(
    ('where', 'changes', 'text'),
    [
        (('videos', 1), dict(id=7), 'video 7 occurs twice'),
        (('videos', 0), dict(width=None), None),
        (('videos', 0), dict(length=3), 'video 7 has length 3 and 2 file_nam'),
        (('categories', 0), dict(id=4), 'category 4 occurs twice'),
        (('annotations', 0), dict(id=0), 'annotation id .*from 1, got 0'),
        (('annotations', 0), dict(id='2'), "from 1, got '2'"),
        (('annotations', 0), dict(id=1), 'annotation id 1 occurs twice'),
        (('annotations', 0), dict(video_id=9), '2 names unknown video_id 9'),
        (('annotations', 0), dict(category_id=9), 'unknown category_id 9'),
        (
            ('annotations', 0),
            dict(segmentations=[MASK]),
            r'annotation 2 \(video 7\): 1 segmentations, .* has 2 frames',
        ),
        (
            ('annotations', 0),
            dict(segmentations=[None, dict(MASK, size=[5, 4])]),
            r'2 \(video 7\): frame 1: .* size \[5, 4\], .* has \[4, 5\]',
        ),
    ],
)
def test_broken_records_are_named(content, tmp_path, where, changes, text):
    content = copy.deepcopy(content)
    record = content[where[0]][where[1]]
    record |= changes
    if text is None:
        del record['width']
        text = "video 7 has no field 'width'"
    with pytest.raises(ValueError, match=text):
        read_annotations(content)
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f'truth.json: .*{text}'):
        read_annotations(path)


@pytest.mark.parametrize('text', ['{"videos": [', '[]', 'null', '{}'])
def test_a_file_that_is_no_such_file_is_named(tmp_path, text):
    path = tmp_path / 'broken.json'
    path.write_text(text)
    with pytest.raises(ValueError, match='broken.json: '):
        read_annotations(path)
    with pytest.raises(FileNotFoundError, match='absent.json'):
        read_annotations(tmp_path / 'absent.json')


def test_slices_of_videos():
    names = list(range(5))
    assert pick_videos(names, None) == names
    assert pick_videos(names, (-2, None)) == [3, 4]
    assert pick_videos(names, (None, -2)) == [0, 1, 2]
    assert pick_videos(names, (-5, 3)) == [0, 1, 2]
    with pytest.raises(ValueError, match=r'\(-6, None\) .*beyond the 5'):
        pick_videos(names, (-6, None))
    with pytest.raises(ValueError, match='leaves none of 5 videos'):
        pick_videos(names, (3, 2))
    with pytest.raises(ValueError, match='must be start and stop'):
        pick_videos(names, (1,))


def test_an_image_of_coco_is_a_video_of_one_frame():
    coco = dict(
        images=[dict(id=9, file_name='x.jpg', height=4, width=5, license=1)],
        categories=[dict(id=1, name='cat')],
        annotations=[
            dict(
                id=5,
                image_id=9,
                category_id=1,
                iscrowd=0,
                area=4.0,
                bbox=[0, 0, 4, 4],
                segmentation=[[0, 0, 3, 0, 3, 3]],
            )
        ],
    )
    truth = read_annotations(coco_as_vis(coco))
    assert truth.videos[9].file_names == ('x.jpg',)
    (track,) = truth.tracks[9]
    assert track.segmentations == [[[0, 0, 3, 0, 3, 3]]]
    assert (track.areas, track.boxes) == ([4.0], [[0, 0, 4, 4]])
    del coco['annotations'][0]['image_id']
    with pytest.raises(ValueError, match="annotation 5 has no .*'image_id'"):
        coco_as_vis(coco)
    del coco['images'][0]['file_name']
    with pytest.raises(ValueError, match="image 9 has no field 'file_name'"):
        coco_as_vis(coco)


def test_coco_without_annotations_has_none():
    coco = dict(images=[], categories=[])
    assert 'annotations' not in coco_as_vis(coco)


def test_the_module_imports_nothing_heavy():
    code = (
        'import sys, importlib.util as u;'
        's = u.spec_from_file_location("m", sys.argv[1]);'
        'm = u.module_from_spec(s); sys.modules["m"] = m;'
        's.loader.exec_module(m);'
        'sys.exit("numpy" in sys.modules or "torch" in sys.modules)'
    )
    path = sys.modules[read_annotations.__module__].__file__
    subprocess.run([sys.executable, '-c', code, path], check=True)
