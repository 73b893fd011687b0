"""mmdet's data set without its traps, through whole pipelines."""

import json

import numpy as np
import pytest
from mmengine.registry import init_default_scope

from slotkd.datasets.vis_clips import VisClips
from slotkd.models.queries.track_targets import track_targets
from slotkd.ops.vis_annotations import read_annotations
from slotkd.ops.vis_frames import vis_as_frames
from slotkd.registry import DATASETS
from tests.vis_files import write_squares

LOAD = dict(
    type='TransformBroadcaster',
    transforms=[
        dict(type='LoadImageFromFile'),
        dict(type='mmdet.LoadTrackAnnotations', with_mask=True),
    ],
)
PACK = dict(type='mmdet.PackTrackInputs')


def resize(**flip):
    return dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='mmdet.Resize', scale=(64, 48), keep_ratio=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
        ],
    )


def frame_file(path, change=None):
    """Write the frame annotations of a YTVIS file next to it."""
    content = vis_as_frames(read_annotations(path))
    if change is not None:
        change(content)
    out = path.with_name('frames.json')
    out.write_text(json.dumps(content))
    return str(out)


@pytest.fixture
def root(tmp_path):
    init_default_scope('slotkd')
    return tmp_path


def test_classes_are_those_of_the_file_and_all_frames_stay(root):
    gone = tuple((1, 0, t) for t in (0, 3))
    path = write_squares(root, [[1, 2], [3]], absent=gone)
    data = VisClips(frame_file(path), str(root))
    assert data.metainfo['classes'] == ('kind1', 'kind2', 'kind3')
    lengths = [data.videos.get_data_info(i)['video_length'] for i in (0, 1)]
    assert lengths == [6, 6]
    third = data.videos.get_data_info(1)['images'][1]['instances'][0]
    assert third['bbox_label'] == 2 and third['instance_id'] == 3


def test_trap_9_mmdet_alone_drops_frames_without_objects(root):
    gone = tuple((0, 0, t) for t in (0, 3))
    path = write_squares(root, [[1]], absent=gone)
    theirs = DATASETS.build(
        dict(
            type='mmdet.YouTubeVISDataset',
            dataset_version='2021',
            metainfo=dict(classes=('kind1', 'kind2', 'kind3')),
            ann_file=frame_file(path),
        )
    )
    assert theirs.get_data_info(0)['video_length'] == 4


def test_trap_10_mmdet_alone_is_silent_about_other_class_names(root):
    path = write_squares(root, [[1]])
    theirs = DATASETS.build(
        dict(
            type='mmdet.YouTubeVISDataset',
            dataset_version='2021',
            ann_file=frame_file(path),
        )
    )
    assert theirs.get_data_info(0)['video_length'] == 0


def test_trap_11_identity_zero_becomes_the_place_in_the_frame(root):
    path = write_squares(root, [[1, 2]])

    def zero(content):
        for entry in content['annotations']:
            entry['instance_id'] -= 1

    with pytest.raises(ValueError, match='frames.json: annotation 1 has inst'):
        VisClips(frame_file(path, zero), str(root))


def test_trap_11_categories_must_ascend(root):
    path = write_squares(root, [[1, 2]])
    with pytest.raises(ValueError, match='in the order of their ids'):
        VisClips(
            frame_file(path, lambda c: c['categories'].reverse()), str(root)
        )


def test_a_training_clip_end_to_end(root):
    path = write_squares(root, [[1, 2], [3], [1, 2]])
    data = VisClips(
        frame_file(path),
        str(root),
        pipeline=[
            dict(type='ClipFrameSample', num_frames=4, num_student_frames=2),
            LOAD,
            dict(
                type='MinorPaste',
                ann_file=str(path),
                frames_root=str(root),
                prob=1,
                paste=dict(min_pixels=4),
            ),
            resize(),
            PACK,
        ],
    )
    np.random.seed(1)
    item = data[0]
    assert item['inputs'].shape == (4, 3, 48, 64)
    sample = item['data_samples']
    assert len(sample.key_frames_inds) == 2
    targets = track_targets([sample], (64, 64))
    assert targets.labels.shape[1] > 2  # pasted
    # Every pixel of a mask shows the colour of its class, in BGR.
    video = item['inputs'].permute(0, 2, 3, 1).numpy()
    for o, label in enumerate(targets.labels[0].tolist()):
        inside = targets.masks[0, o, :, :48].numpy()
        channel = video[inside].mean(axis=0).argmax()
        assert channel == 2 - label


def test_a_video_of_a_test_end_to_end(root):
    path = write_squares(root, [[1, 2], [3]])
    data = VisClips(
        frame_file(path),
        str(root),
        pipeline=[LOAD, resize(), PACK],
        test_mode=True,
    )
    item = data[1]
    assert item['inputs'].shape == (6, 3, 48, 64)
    assert item['data_samples'][0].video_id == 2
    assert len(data) == 2


def test_refuses_small_frames_and_empty_files(root):
    path = write_squares(root, [[1]], size=(30, 40))
    with pytest.raises(ValueError, match='side of 30 pixels'):
        VisClips(frame_file(path), str(root))
    assert len(VisClips(frame_file(path), str(root), test_mode=True)) == 1

    def empty(content):
        content.update(images=[], annotations=[])

    path = write_squares(root, [[1]])
    with pytest.raises(ValueError, match='frames.json: there is no video'):
        VisClips(frame_file(path, empty), str(root))
