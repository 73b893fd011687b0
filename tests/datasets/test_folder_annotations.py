"""Masks in folders become the tracks of a YTVIS file."""

import cv2
import numpy as np
import pytest

from slotkd.datasets import VideoFolderDataset
from slotkd.datasets.folder_annotations import folders_as_vis
from slotkd.ops.rle import decode_mask
from slotkd.ops.vis_annotations import read_annotations


def write_video(root, name, labels):
    for folder, suffix in (('frames', 'jpg'), ('masks', 'png')):
        (root / folder / name).mkdir(parents=True)
        for t, label in enumerate(labels):
            path = root / folder / name / f'{t:05d}.{suffix}'
            cv2.imwrite(str(path), label)


def folders(root, **options):
    options = dict(frames_dir='frames', masks_dir='masks') | options
    return VideoFolderDataset(root, **options)


def test_each_label_is_a_track_and_void_is_none(tmp_path):
    labels = np.zeros((2, 8, 9), np.uint8)
    labels[0, 1:4, 2:5] = 3
    labels[:, 6:, 6:] = 1
    labels[:, 0] = 255
    write_video(tmp_path, 'b', labels)
    write_video(tmp_path, 'a', np.full((1, 8, 9), 2, np.uint8))
    content = folders_as_vis(folders(tmp_path), 'thing')
    truth = read_annotations(content)
    assert truth.class_names == ('thing',)
    assert [v['name'] for v in content['videos']] == ['a', 'b']
    assert truth.videos[2].file_names == ('b/00000.jpg', 'b/00001.jpg')
    assert truth.videos[2].size == (8, 9) and truth.videos[2].length == 2
    first, second = truth.tracks[2]
    assert len(truth.tracks[1]) == 1 and second.segmentations[1] is None
    for track, label in ((first, 1), (second, 3)):
        found = decode_mask(track.segmentations[0], (8, 9))
        np.testing.assert_array_equal(found, labels[0] == label)


def test_an_empty_video_has_no_track(tmp_path):
    write_video(tmp_path, 'a', np.zeros((2, 8, 9), np.uint8))
    content = folders_as_vis(folders(tmp_path))
    assert len(content['videos']) == 1 and content['annotations'] == []


def test_masks_are_needed(tmp_path):
    write_video(tmp_path, 'a', np.zeros((1, 8, 9), np.uint8))
    with pytest.raises(ValueError, match='video a has no masks'):
        folders_as_vis(folders(tmp_path, masks_dir=None))
