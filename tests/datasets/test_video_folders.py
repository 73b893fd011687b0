import json

import numpy as np
import pytest
from PIL import Image

from slotkd.datasets import VideoFolderDataset
from slotkd.datasets.video_folders import read_split
from slotkd.registry import DATASETS, METRICS


def test_davis_layout(write_davis, davis_options):
    root = write_davis({'bear': 5, 'boat': 4})
    dataset = DATASETS.build(
        dict(
            type='VideoFolderDataset',
            data_root=str(root),
            clip_len=2,
            clip_mode='all',
            pipeline=[dict(type='PackVideoInputs')],
            **davis_options,
        )
    )
    assert [item['data_samples'].video_id for item in dataset] == [
        'bear',
        'bear',
        'boat',
        'boat',
    ]
    item = dataset[3]
    sample = item['data_samples']
    assert sample.frame_ids == [2, 3]
    assert item['inputs'].shape == (2, 3, 24, 32)
    assert item['inputs'].float().mean((1, 2, 3)).tolist() == pytest.approx(
        [40, 50], abs=1
    )
    assert sample.gt_masks.unique().tolist() == [0, 1, 3, 255]
    assert sample.gt_masks[0, 5, 5] == 0
    assert sample.gt_masks[0, 5, 6] == 1


def test_split_chooses_videos_and_their_order(write_davis, davis_options):
    root = write_davis({'bear': 3, 'boat': 3, 'bus': 3})
    (root / davis_options['split']).write_text('bus\n\nbear\n')
    dataset = VideoFolderDataset(root, **davis_options)
    assert [item['video_id'] for item in dataset] == ['bus', 'bear']
    everything = VideoFolderDataset(root, **dict(davis_options, split=None))
    assert len(everything) == 3


def test_masks_stay_unread_without_labels(write_davis):
    root = write_davis({'bear': 3})
    dataset = VideoFolderDataset(root, frames_dir='JPEGImages/480p')
    assert 'gt_seg_map' not in dataset[0]


def test_binary_masks_merge_all_objects(write_davis, davis_options):
    root = write_davis({'bear': 3})
    dataset = VideoFolderDataset(root, **davis_options, binary_masks=True)
    assert np.unique(dataset[0]['gt_seg_map']).tolist() == [0, 1]
    labels = VideoFolderDataset(root, **davis_options)[0]['gt_seg_map']
    np.testing.assert_array_equal(
        np.array(labels) > 0, np.array(dataset[0]['gt_seg_map']) == 1
    )


def test_folder_of_frames_is_one_video(write_davis):
    root = write_davis({'bear': 3})
    dataset = VideoFolderDataset(root / 'JPEGImages' / '480p' / 'bear')
    assert len(dataset) == 1
    assert dataset[0]['video_id'] == 'bear'
    assert len(dataset[0]['img']) == 3


def test_video_files_and_frame_folders_side_by_side(
    tmp_path, write_video, write_davis
):
    root = write_davis({'bear': 3}) / 'JPEGImages' / '480p'
    write_video(root / 'clip.mp4', 9)
    (root / 'notes.txt').write_text('not a video')
    dataset = VideoFolderDataset(root, clip_len=3, clip_mode='all')
    items = [(item['video_id'], item['frame_ids'][0]) for item in dataset]
    assert items == [('bear', 0), ('clip', 0), ('clip', 3), ('clip', 6)]
    levels = [float(frame.mean()) for frame in dataset[2]['img']]
    assert levels == pytest.approx([50, 60, 70], abs=4)
    assert dataset[2]['ori_shape'] == (32, 48)


def test_video_file_with_masks_named_in_a_split(tmp_path, write_video):
    write_video(tmp_path / 'clip.mp4', 4)
    masks = tmp_path / 'masks' / 'clip'
    masks.mkdir(parents=True)
    for index in range(4):
        labels = np.full((32, 48), index, np.uint8)
        Image.fromarray(labels).save(masks / f'{index}.png')
    (tmp_path / 'list.txt').write_text('clip\n')
    item = VideoFolderDataset(tmp_path, masks_dir='masks', split='list.txt')[0]
    assert [mask.max() for mask in item['gt_seg_map']] == [0, 1, 2, 3]


def test_old_davis_lists_name_frames_and_masks(tmp_path):
    path = tmp_path / 'train.txt'
    lines = [
        f'/JPEGImages/480p/{name}/0000{i}.jpg /Annotations/480p/{name}/x.png'
        for name in ('bear', 'boat')
        for i in range(3)
    ]
    path.write_text('\n'.join(lines))
    assert read_split(path) == ['bear', 'boat']


def corrupt(root, what):
    """Damage one file of the tree and say how the error reads."""
    frames = root / 'JPEGImages' / '480p' / 'bear'
    masks = root / 'Annotations' / '480p' / 'bear'
    if what == 'empty folder':
        for path in frames.iterdir():
            path.unlink()
        return 'bear holds no image'
    if what == 'missing mask':
        (masks / '00001.png').unlink()
        return 'bear holds 2 masks for 3 frames'
    if what == 'renamed mask':
        (masks / '00001.png').rename(masks / '00007.png')
        return '00002.png stands where frame 00001.jpg needs 00001.png'
    if what == 'no masks':
        masks.rename(masks.with_name('lost'))
        return 'video bear has no folder of masks .*bear'
    if what == 'truncated frame':
        path = frames / '00001.jpg'
        path.write_bytes(path.read_bytes()[:-100])
        return '00001.jpg cannot be read'
    if what == 'small mask':
        Image.new('L', (32, 23)).save(masks / '00002.png')
        return 'masks of video bear: frame 2 is 23x32, .* is 24x32'
    if what == 'coloured mask':
        Image.new('RGB', (32, 24)).save(masks / '00000.png')
        return '00000.png has mode RGB'
    raise AssertionError(what)


@pytest.mark.parametrize(
    'what',
    [
        'empty folder',
        'missing mask',
        'renamed mask',
        'no masks',
        'truncated frame',
        'small mask',
        'coloured mask',
    ],
)
def test_damaged_trees_are_named(write_davis, davis_options, what):
    root = write_davis({'bear': 3})
    text = corrupt(root, what)
    with pytest.raises(ValueError, match=text):
        VideoFolderDataset(root, **davis_options)[0]


def test_missing_folders_and_names_are_named(
    tmp_path, write_davis, davis_options
):
    with pytest.raises(ValueError, match='folder of videos .*nowhere not fou'):
        VideoFolderDataset(tmp_path / 'nowhere')
    (tmp_path / 'void').mkdir()
    with pytest.raises(ValueError, match='folder .*void holds no video'):
        VideoFolderDataset(tmp_path / 'void')
    root = write_davis({'bear': 3})
    split = root / davis_options['split']
    split.write_text('bear\nmouse\n')
    with pytest.raises(ValueError, match='train.txt names video mouse'):
        VideoFolderDataset(root, **davis_options)
    split.write_text('\n')
    with pytest.raises(ValueError, match='train.txt names no video'):
        VideoFolderDataset(root, **davis_options)
    split.unlink()
    with pytest.raises(ValueError, match='split file .*train.txt not found'):
        VideoFolderDataset(root, **davis_options)


@pytest.mark.data
def test_real_davis(shared, davis_options):
    dataset = VideoFolderDataset(
        shared / 'data' / 'davis_mini', **davis_options, clip_len=4
    )
    assert len(dataset) == 10
    np.random.seed(0)
    item = dataset[0]
    assert item['video_id'] == 'bear'
    assert item['video_length'] == 20
    assert item['ori_shape'] == (480, 854)
    assert len(item['img']) == 4
    for mask in item['gt_seg_map']:
        assert np.unique(mask).tolist() == [0, 1]
    # The bear is dark and brown: redder than blue, darker than its rocks.
    frame, mask = item['img'][0].astype(float), item['gt_seg_map'][0] == 1
    assert frame[mask].mean() < frame[~mask].mean()
    assert frame[mask][:, 0].mean() > frame[mask][:, 2].mean()


def test_videos_that_are_missing_may_be_left_out(write_davis, davis_options):
    root = write_davis({'bear': 3, 'boat': 3})
    (root / davis_options['split']).write_text('bear\nmouse\nboat\n')
    dataset = VideoFolderDataset(root, **davis_options, skip_missing=True)
    assert [item['video_id'] for item in dataset] == ['bear', 'boat']


def test_masks_of_some_frames_leave_the_others_void(
    write_davis, davis_options
):
    root = write_davis({'bear': 4})
    masks = root / 'Annotations' / '480p' / 'bear'
    for index in (1, 3):
        (masks / f'{index:05d}.png').unlink()
    with pytest.raises(ValueError, match='holds 2 masks for 4 frames'):
        VideoFolderDataset(root, **davis_options)
    dataset = VideoFolderDataset(root, **davis_options, sparse_masks=True)
    item = dataset[0]
    assert item['annotated_frames'] == [0, 2]
    assert [np.unique(m).tolist() for m in item['gt_seg_map']] == [
        [0, 1, 3, 255],
        [255],
        [0, 1, 3, 255],
        [255],
    ]
    every_second = VideoFolderDataset(
        root, **davis_options, sparse_masks=True, frame_stride=2
    )
    assert every_second[0]['annotated_frames'] == [0, 1]
    binary = VideoFolderDataset(
        root, **davis_options, sparse_masks=True, binary_masks=True
    )
    assert [np.unique(m).tolist() for m in binary[0]['gt_seg_map']] == [
        [0, 1],
        [255],
        [0, 1],
        [255],
    ]


@pytest.mark.parametrize('resolution', ['480p', 'Full-Resolution'])
def test_a_sequence_of_one_frame_at_either_resolution(
    tmp_path, write_davis, davis_options, resolution
):
    root = write_davis({'bär 1': 1})
    for kind in ('JPEGImages', 'Annotations'):
        (root / kind / '480p').rename(root / kind / resolution)
    item = VideoFolderDataset(
        root,
        frames_dir=f'JPEGImages/{resolution}',
        masks_dir=f'Annotations/{resolution}',
        split=davis_options['split'],
    )[0]
    assert (item['video_id'], len(item['img'])) == ('bär 1', 1)


@pytest.fixture
def write_youtube_vos(tmp_path):
    """Return a function that writes YouTube-VOS, a mask every 5 frames."""

    def write(meta, masks, stride=5):
        frames = range(0, 16, stride)
        for name in meta:
            for index in frames:
                path = tmp_path / f'JPEGImages/{name}/{index:05d}.jpg'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new('RGB', (12, 8), (index,) * 3).save(path)
            for index in masks:
                labels = np.zeros((8, 12), np.uint8)
                labels[:4] = 1
                labels[4:, index // 5 :] = 2
                path = tmp_path / f'Annotations/{name}/{index:05d}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(labels).save(path)
        content = dict(videos={n: dict(objects=o) for n, o in meta.items()})
        (tmp_path / 'meta.json').write_text(json.dumps(content))
        return dict(
            data_root=tmp_path,
            frames_dir='JPEGImages',
            masks_dir='Annotations',
            meta_file='meta.json',
        )

    return write


OBJECTS = {
    '1': dict(category='cat', frames=['00000', '00005', '00015']),
    '2': dict(category='ape', frames=['00010', '00015']),
}


def test_youtube_vos_lists_objects_and_their_frames(write_youtube_vos):
    options = write_youtube_vos({'b': OBJECTS, 'a': {}}, (0, 5, 10, 15))
    dataset = VideoFolderDataset(
        **options, pipeline=[dict(type='PackVideoInputs')]
    )
    assert [i['data_samples'].video_id for i in dataset] == ['a', 'b']
    sample = dataset[1]['data_samples']
    assert sample.object_categories == {1: 'cat', 2: 'ape'}
    assert sample.object_frames == {1: [0, 1, 3], 2: [2, 3]}
    clip = VideoFolderDataset(**options, clip_len=2, clip_mode='all')[3]
    assert clip['frame_ids'] == [2, 3]
    assert clip['object_frames'] == {1: [1], 2: [0, 1]}


def test_youtube_vos_validation_has_the_first_masks_alone(write_youtube_vos):
    options = write_youtube_vos({'a': OBJECTS}, (0, 10))
    item = VideoFolderDataset(**options, sparse_masks=True)[0]
    assert item['annotated_frames'] == [0, 2]
    assert item['object_frames'] == {1: [0, 1, 3], 2: [2, 3]}
    assert [len(np.unique(m)) for m in item['gt_seg_map']] == [2, 1, 3, 1]


def test_youtube_vos_at_30_frames_per_second(write_youtube_vos):
    options = write_youtube_vos({'a': OBJECTS}, (0, 5, 10, 15), stride=1)
    item = VideoFolderDataset(**options, sparse_masks=True)[0]
    assert len(item['img']) == 16
    assert item['annotated_frames'] == [0, 5, 10, 15]
    assert item['object_frames'] == {1: [0, 5, 15], 2: [10, 15]}
    fifth = VideoFolderDataset(**options, sparse_masks=True, frame_stride=5)
    assert fifth[0]['object_frames'] == {1: [0, 1, 3], 2: [2, 3]}


def test_youtube_vos_that_does_not_fit_its_list_is_named(
    tmp_path, write_youtube_vos
):
    late = {'1': dict(category='cat', frames=['00000', '00020'])}
    options = write_youtube_vos({'a': late}, (0, 5, 10, 15))
    with pytest.raises(
        ValueError, match='meta.json lists object 1 of video a in frame 00020'
    ):
        VideoFolderDataset(**options)
    options = write_youtube_vos({'a': OBJECTS}, (0, 5, 10, 15))
    (tmp_path / 'JPEGImages' / 'a').rename(tmp_path / 'JPEGImages' / 'b')
    with pytest.raises(ValueError, match='meta.json names video a, .* not in'):
        VideoFolderDataset(**options)
    (tmp_path / 'split.txt').write_text('b\n')
    with pytest.raises(ValueError, match='meta.json lists no video b'):
        VideoFolderDataset(**options, split='split.txt')


def test_labelled_objects_are_scored_where_they_are_listed(write_youtube_vos):
    """From the files to G, with the truth as prediction."""
    options = write_youtube_vos({'a': OBJECTS}, (0, 5, 10, 15))
    dataset = VideoFolderDataset(
        **options, pipeline=[dict(type='PackVideoInputs')]
    )
    sample = dataset[0]['data_samples']
    sample.pred_masks = sample.gt_masks.clone()
    sample.pred_masks[3] = 0  # of the listed later frames of 1: 5 and 15
    metric = METRICS.build(dict(type='YouTubeVosMetric', unseen=['ape']))
    metric.process(None, [sample.to_dict()])
    scores = metric.evaluate(1)
    assert scores['proxy/j_seen'] == 0.5
    assert scores['proxy/j_unseen'] == 0
