"""Clips over mmsegmentation's data sets of single frames."""

import re

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from PIL import Image

from slotkd.datasets import FrameClipDataset
from slotkd.datasets.frame_clips import (
    compile_pattern,
    frame_number,
    group_frames,
    split_at_gaps,
)
from slotkd.registry import DATASETS
from tests import tiny

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
CITY = r'(?P<video>[^/]+_\d+)_(?P<frame>\d+)_leftImg8bit'
FOLDER = compile_pattern(r'(?P<video>[^/]+)/[^/]+$', None)


def write_frame(root, frame, mask, number, labels):
    """Write a red frame of this brightness and its labels."""
    image = np.zeros((8, 12, 3), np.uint8)
    image[..., 0] = 10 * number
    for name, array in ((frame, image), (mask, labels)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)


@pytest.fixture
def cityscapes(tmp_path):
    """Write two snippets in the layout of Cityscapes."""
    labels = np.full((8, 12), 255, np.uint8)
    labels[:4] = 0
    labels[4:, :6] = 13
    for snippet, numbers in (
        ('ulm_000000', (9, 10, 11, 20)),
        ('ulm_000001', (0, 1)),
    ):
        for number in numbers:
            write_frame(
                tmp_path,
                f'img/ulm/{snippet}_{number:06d}_leftImg8bit.png',
                f'ann/ulm/{snippet}_{number:06d}_gtFine_labelTrainIds.png',
                number,
                labels,
            )
    return dict(
        type='CityscapesDataset',
        _scope_='mmseg',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        pipeline=LOAD,
    )


@pytest.fixture
def folders(tmp_path):
    """Write two folders of frames for mmseg's plain data set."""
    labels = np.repeat(np.arange(4, dtype=np.uint8), 24).reshape(8, 12)
    for video, length in (('left', 11), ('right', 3)):
        for number in range(length):
            write_frame(
                tmp_path,
                f'img/{video}/{number}.png',
                f'ann/{video}/{number}.png',
                number,
                labels,
            )
    return dict(
        type='BaseSegDataset',
        _scope_='mmseg',
        data_root=str(tmp_path),
        img_suffix='.png',
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=('a', 'b', 'c', 'd')),
        pipeline=LOAD,
    )


def build(dataset, pipeline=(), **options):
    config = dict(type='FrameClipDataset', dataset=dataset, pipeline=pipeline)
    return DATASETS.build(config | options)


def numbers(item):
    """Read the numbers of the frames back from their brightness."""
    return [int(frame[0, 0, 0]) // 10 for frame in item['img']]


def test_snippets_of_cityscapes_are_videos(cityscapes):
    dataset = build(cityscapes, video_pattern=CITY)
    assert isinstance(dataset, FrameClipDataset)
    assert [item['video_id'] for item in dataset] == [
        'ulm_000000',
        'ulm_000001',
    ]
    assert numbers(dataset[0]) == [9, 10, 11, 20]
    assert dataset[0]['video_length'] == 4
    assert dataset.metainfo['classes'][13] == 'car'
    assert len(dataset.metainfo['palette']) == 19


def test_a_gap_begins_a_new_video(cityscapes):
    dataset = build(cityscapes, video_pattern=CITY, max_gap=1)
    assert [(item['video_id'], numbers(item)) for item in dataset] == [
        ('ulm_000000-0', [9, 10, 11]),
        ('ulm_000000-1', [20]),
        ('ulm_000001', [0, 1]),
    ]


def test_folders_are_videos_and_frames_count(folders):
    dataset = build(folders)
    assert [item['video_id'] for item in dataset] == ['left', 'right']
    assert numbers(dataset[0]) == list(range(11))
    clips = build(folders, clip_len=4, clip_mode='all', skip_short=True)
    assert [numbers(clip) for clip in clips] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    strided = build(
        folders,
        clip_len=3,
        frame_stride=5,
        clip_mode='random',
        skip_short=True,
    )
    assert numbers(strided[0]) == [0, 5, 10]


def test_clips_are_rgb_and_pack_to_the_same_pixels(folders):
    dataset = build(folders, [dict(type='PackVideoInputs')])
    packed = dataset[1]
    assert packed['inputs'].shape == (3, 3, 8, 12)
    red = packed['inputs'][:, 0, 0, 0].tolist()
    assert red == [0, 10, 20]
    assert packed['inputs'][:, 1:].max() == 0
    sample = packed['data_samples']
    assert sample.video_id == 'right' and sample.frame_ids == [0, 1, 2]
    assert sample.gt_masks[0].unique().tolist() == [0, 1, 2, 3]


def test_labels_keep_what_the_data_set_says_of_them(folders):
    """Its choice of classes and its reduced zero are those of the file."""
    folders = folders | dict(reduce_zero_label=True)
    masks = build(folders)[0]['gt_seg_map']
    assert len(masks) == 11
    assert np.unique(masks[0]).tolist() == [0, 1, 2, 255]
    assert (masks[0][:2] == 255).all()


def test_class_zero_can_be_kept_apart_from_background(cityscapes):
    options = dict(video_pattern=CITY)
    kept = build(cityscapes, **options)[0]['gt_seg_map'][0]
    assert np.unique(kept).tolist() == [0, 13, 255]
    shifted = build(cityscapes, zero_is_background=False, **options)
    shifted = shifted[0]['gt_seg_map'][0]
    assert shifted.dtype == np.uint8
    np.testing.assert_array_equal(shifted[kept == 0], 1)
    np.testing.assert_array_equal(shifted[kept == 13], 14)
    np.testing.assert_array_equal(shifted[kept == 255], 255)


def test_a_class_that_would_become_void_is_refused(folders, tmp_path):
    labels = np.full((8, 12), 254, np.uint8)
    Image.fromarray(labels).save(tmp_path / 'ann/right/1.png')
    assert len(build(folders)[1]['gt_seg_map']) == 3
    with pytest.raises(ValueError, match=r'right/1\.png holds class 254'):
        build(folders, zero_is_background=False)[1]


def test_without_annotations_there_are_no_labels(folders):
    item = build(folders | dict(pipeline=LOAD[:1]))[0]
    assert 'gt_seg_map' not in item and len(item['img']) == 11


def test_only_the_frames_of_the_clip_are_read_and_once(folders, monkeypatch):
    dataset = build(folders, clip_len=2)
    read = []
    load = dataset.frames.prepare_data
    monkeypatch.setattr(
        dataset.frames, 'prepare_data', lambda i: (read.append(i), load(i))[1]
    )
    dataset[1]
    assert len(read) == 2


@pytest.mark.parametrize('seed', range(4))
def test_transforms_of_mmseg_share_their_draw(folders, seed):
    """Inside mmcv's broadcaster; every frame keeps the same box."""
    np.random.seed(seed)
    crop = dict(
        type='TransformBroadcaster',
        share_random_params=True,
        auto_remap=True,
        mapping=dict(img='img', gt_seg_map='gt_seg_map'),
        transforms=[dict(type='mmseg.RandomCrop', crop_size=(4, 4))],
    )
    clip = build(folders, [crop, dict(type='PackVideoInputs')])[1]
    masks = clip['data_samples'].gt_masks
    assert clip['inputs'].shape == (3, 3, 4, 4)
    assert torch.equal(masks, masks[:1].expand(3, 4, 4))


def test_slot_model_takes_a_step_on_clips(folders):
    clips = build(folders, [dict(type='PackVideoInputs')], clip_len=2)
    model = tiny.build(
        tiny.slot_model(
            grid=(2, 3),
            data_preprocessor=dict(type='VideoDataPreprocessor'),
        )
    )
    batch = [clips[0], clips[1]]
    data = dict(
        inputs=[item['inputs'] for item in batch],
        data_samples=[item['data_samples'] for item in batch],
    )
    losses = model(**model.data_preprocessor(data, True), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    (first, _) = model.predict(**model.data_preprocessor(data))
    assert first.pred_masks.shape == first.gt_masks.shape


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        (dict(video_pattern='('), r"'\(' is no regular expression"),
        (dict(video_pattern='x'), r'has no group \(\?P<video>\.\.\.\)$'),
        (
            dict(max_gap=2),
            r'no group \(\?P<frame>\.\.\.\), which max_gap=2 needs',
        ),
        (
            dict(video_pattern=r'(?P<video>[^/]+)/(?P<frame>\d+)', max_gap=0),
            'max_gap must be 1 or more, got 0',
        ),
        (
            dict(video_pattern=r'(?P<video>nowhere)'),
            r'does not fit .*/img/left/0\.png',
        ),
        (
            dict(video_pattern=r'(?P<video>i)m', clip_len=15),
            'video i has 14 frames, a clip needs 15',
        ),
    ],
)
def test_what_does_not_fit_is_named(folders, options, told):
    with pytest.raises(ValueError, match=told):
        build(folders, **options)


def test_wrapped_pipeline_must_load(folders):
    dataset = build(folders | dict(pipeline=[]))
    with pytest.raises(ValueError, match='BaseSegDataset gives no image'):
        dataset[0]


def test_missing_mask_and_broken_frame_are_named(folders, tmp_path):
    (tmp_path / 'ann/right/2.png').unlink()
    (tmp_path / 'img/left/0.png').write_bytes(b'no image')
    dataset = build(folders)
    with pytest.raises(ValueError, match=r'right/2\.png cannot be loaded'):
        dataset[1]
    with pytest.raises(ValueError, match=r'left/0\.png cannot be loaded'):
        dataset[0]


def test_joined_data_sets_are_refused(folders):
    joined = dict(type='ConcatDataset', datasets=[folders, folders])
    with pytest.raises(ValueError, match='BaseDataset of mmengine, got Conc'):
        build(joined)


def test_empty_data_set_is_refused(tmp_path, folders):
    (tmp_path / 'none').mkdir()
    empty = folders | dict(
        data_prefix=dict(img_path='none'), serialize_data=False
    )
    with pytest.raises(ValueError, match='BaseSegDataset in Frame.* is empty'):
        build(empty)


class Listed(BaseDataset):
    """A data set that is no one's subclass, of frames in the memory."""

    def load_data_list(self):
        return [dict(img_path=f'v/{i}.jpg', index=i) for i in (10, 9)]


def test_any_data_set_of_mmengine_will_do():
    def paint(results):
        image = np.full((4, 4, 3), results['index'], np.uint8)
        return results | dict(img=image)

    dataset = FrameClipDataset(Listed(pipeline=[paint], lazy_init=True))
    assert [int(f[0, 0, 0]) for f in dataset[0]['img']] == [9, 10]


def test_equal_names_of_two_folders_are_refused():
    paths = ['a/x/0.png', 'b/x/0.png']
    with pytest.raises(ValueError, match="a/x and b/x are both named 'x'"):
        group_frames(paths, FOLDER)
    wider = compile_pattern(r'(?P<video>[^/]+/[^/]+)/[^/]+$', None)
    assert group_frames(paths, wider) == {'a/x': [0], 'b/x': [1]}


def test_frames_are_ordered_by_folder_then_count():
    paths = ['v/cam2/1.png', 'v/cam10/0.png', 'v/cam2/0.png']
    pattern = compile_pattern(r'^(?P<video>v)/', None)
    assert group_frames(paths, pattern) == {'v': [2, 0, 1]}


def test_gaps_are_measured_between_neighbours():
    assert split_at_gaps([5, 6, 7, 8], [0, 2, 5, 6], 2) == [[5, 6], [7, 8]]


def test_frame_number_must_be_one():
    pattern = re.compile(r'(?P<video>\w)/(?P<frame>\w+)')
    assert frame_number('v/007', pattern) == 7
    with pytest.raises(ValueError, match="reads 'x7' from v/x7"):
        frame_number('v/x7', pattern)
