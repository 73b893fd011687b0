import copy

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from slotkd.datasets import YTVISDataset
from slotkd.ops.vis_annotations import pick_videos
from slotkd.registry import DATASETS
from tests import ytvis_files

LENGTHS = {7: 5, 3: 1, 11: 3}  # not in the order of ids


@pytest.fixture
def content():
    return ytvis_files.ytvis(LENGTHS)


@pytest.fixture
def write(tmp_path, content):
    """Return a function that writes the tree and opens it."""

    def write(**options):
        ytvis_files.write_json(tmp_path / 'train.json', content)
        ytvis_files.write_frames(tmp_path / 'train' / 'JPEGImages', content)
        defaults = dict(ann_file='train.json', frames_dir='train/JPEGImages')
        return YTVISDataset(tmp_path, **(defaults | options))

    return write


def test_round_trip_of_frames_and_masks(write):
    dataset = write()
    assert [item['video_id'] for item in dataset] == ['3', '7', '11']
    item = dataset[1]
    assert item['frame_ids'] == [0, 1, 2, 3, 4]
    assert item['ori_shape'] == (24, 32)
    assert [f.mean() for f in item['img']] == pytest.approx(
        [20, 30, 40, 50, 60], abs=1
    )
    first, second = ytvis_files.disjoint(5)
    np.testing.assert_array_equal(item['gt_seg_map'], first + 2 * second)
    assert (item['gt_seg_map'][1] == 2).sum() == 0  # null in the file


def test_only_the_clip_is_read(write):
    dataset = write(clip_len=2, clip_mode='all', skip_short=True)
    clips = [(item['video_id'], item['frame_ids']) for item in dataset]
    assert clips == [('7', [0, 1]), ('7', [2, 3]), ('11', [0, 1])]
    first, second = ytvis_files.disjoint(5)
    np.testing.assert_array_equal(
        dataset[1]['gt_seg_map'], (first + 2 * second)[2:4]
    )


def test_classes_are_contiguous_and_named(write):
    dataset = write(pipeline=[dict(type='PackVideoInputs')])
    assert dataset.metainfo['classes'] == ('cat', 'ape')
    sample = dataset[0]['data_samples']
    assert sample.object_labels == {1: 1, 2: 0}
    assert sample.object_categories == {1: 'ape', 2: 'cat'}


def test_a_video_of_one_frame(write):
    item = write()[0]
    assert (len(item['img']), item['video_length']) == (1, 1)


@pytest.mark.parametrize('form', ['string', 'list', 'polygon'])
def test_all_forms_of_masks_are_one_mask(write, content, form):
    first, _ = ytvis_files.disjoint(3)
    entry = next(a for a in content['annotations'] if a['video_id'] == 11)
    if form == 'polygon':
        corners = [2, 2, 16, 2, 16, 12, 2, 12]
        entry['segmentations'] = [[corners]] * 3
    else:
        entry['segmentations'] = [
            ytvis_files.segmentation(mask, form) for mask in first
        ]
    masks = np.array(write()[2]['gt_seg_map'])
    np.testing.assert_array_equal(masks == 1, first)


def test_an_empty_mask_is_no_pixel(write, content):
    empty = dict(size=[24, 32], counts=[24 * 32])
    entry = next(a for a in content['annotations'] if a['video_id'] == 3)
    entry['segmentations'] = [empty]
    assert np.unique(write()[0]['gt_seg_map']).tolist() == [0, 2]


def test_crowds_are_left_out_or_void(write, content):
    entries = [a for a in content['annotations'] if a['video_id'] == 7]
    entries[0]['iscrowd'] = 1
    first, second = ytvis_files.disjoint(5)
    item = write()[1]
    np.testing.assert_array_equal(item['gt_seg_map'], 1 * second)
    assert item['object_labels'] == {1: 0}
    void = write(crowd='void')[1]['gt_seg_map']
    np.testing.assert_array_equal(void, 1 * second + 255 * first)


def test_overlaps_are_an_error_or_void(write, content):
    entries = [a for a in content['annotations'] if a['video_id'] == 11]
    entries[1]['segmentations'] = entries[0]['segmentations']
    with pytest.raises(
        ValueError, match='train.json: video 11, frame 0: .* overlap in 140 p'
    ):
        write()[2]
    masks = write(ignore_overlaps=True)[2]['gt_seg_map']
    assert np.unique(masks).tolist() == [0, 255]


def test_label_free_training_needs_no_annotations(write, content):
    content['annotations'] = None
    dataset = write(with_masks=False, clip_len=1)
    assert 'gt_seg_map' not in dataset[0]
    assert 'object_labels' not in dataset[0]
    with pytest.raises(ValueError, match="train.json: 'annotations' must be"):
        write()


def test_slices_by_video_id(write):
    assert [i['video_id'] for i in write(video_range=(-2, None))] == [
        '7',
        '11',
    ]
    assert [i['video_id'] for i in write(video_range=(None, -2))] == ['3']
    first = write(video_range=(-2, None), first_videos=1)
    assert [i['video_id'] for i in first] == ['7']
    with pytest.raises(ValueError, match=r'train.json: .*\(-4, None\).* 3 v'):
        write(video_range=(-4, None))
    with pytest.raises(ValueError, match=r'\(0, 2\) reaches beyond the 1 v'):
        write(video_range=(None, -2), first_videos=2)


def test_the_two_protocols_of_ytvis_2021_on_a_list_of_ids():
    """2,985 videos: the last 300 are scored, the first 210 of them too."""
    names = list(range(1, 2986))
    full = pick_videos(names, (-300, None))
    assert (len(full), full[0], full[-1]) == (300, 2686, 2985)
    assert pick_videos(full, (0, 210)) == list(range(2686, 2896))
    assert pick_videos(names, (None, -300))[-1] == 2685


def test_missing_videos_are_named_or_left_out(write, tmp_path):
    write()
    gone = tmp_path / 'train' / 'JPEGImages' / 'clip7' / '00010.jpg'
    gone.unlink()
    options = dict(ann_file='train.json', frames_dir='train/JPEGImages')
    with pytest.raises(
        ValueError, match='lists video 7, of which 1 of 5 .* first .*00010.jpg'
    ):
        YTVISDataset(tmp_path, **options)
    rest = YTVISDataset(tmp_path, **options, skip_missing=True)
    assert [item['video_id'] for item in rest] == ['3', '11']
    with pytest.raises(ValueError, match='all 3 videos are missing'):
        YTVISDataset(
            tmp_path, ann_file='train.json', frames_dir='x', skip_missing=True
        )


def test_either_place_of_the_annotations(write, tmp_path, content):
    write()
    names = ('instances.json', 'train.json')
    assert len(write(ann_file=names)) == 3
    ytvis_files.write_json(
        tmp_path / 'instances.json', content | dict(videos=[])
    )
    with pytest.raises(ValueError, match='instances.json: annotation 1 nam'):
        write(ann_file=names)
    with pytest.raises(ValueError, match='a.json, .*b.json not found'):
        write(ann_file=('a.json', 'b.json'))


def damage(content, tmp_path, what):
    """Damage the tree and say how the error reads."""
    first = content['annotations'][0]
    if what == 'RLE of another size':
        first['segmentations'][2] = dict(size=[32, 24], counts=[768])
        return (
            r'train.json: annotation 1 \(video 7\): frame 2: RLE has size '
            r'\[32, 24\], the video has \[24, 32\]'
        )
    if what == 'runs that do not add up':
        first['segmentations'][2] = dict(size=[24, 32], counts=[5, 5])
        return (
            'train.json: video 7: annotation 1: frame 2: RLE runs add up to '
            '10 .* 24 x 32'
        )
    if what == 'malformed string':
        first['segmentations'][0] = dict(size=[24, 32], counts='~~')
        return 'video 7: annotation 1: frame 0: malformed RLE string'
    if what == 'id 0':
        first['id'] = 0
        return 'train.json: annotation id must be .* from 1, got 0'
    if what == 'unknown video':
        first['video_id'] = 5
        return 'train.json: annotation 1 names unknown video_id 5'
    if what == 'frame of another size':
        content['videos'][0].update(height=12, width=16)
        for entry in content['annotations'][:2]:
            entry['segmentations'] = [None] * 5
        ytvis_files.write_json(tmp_path / 'train.json', content)
        return 'masks of video 7: frame 0 is 12x16, .* is 24x32'
    raise AssertionError(what)


@pytest.mark.parametrize(
    'what',
    [
        'RLE of another size',
        'runs that do not add up',
        'malformed string',
        'id 0',
        'unknown video',
        'frame of another size',
    ],
)
def test_damaged_files_are_named(write, content, tmp_path, what):
    intact = copy.deepcopy(content)
    text = damage(content, tmp_path, what)
    if what == 'frame of another size':
        ytvis_files.write_frames(tmp_path / 'train' / 'JPEGImages', intact)
        with pytest.raises(ValueError, match=text):
            YTVISDataset(
                tmp_path,
                ann_file='train.json',
                frames_dir='train/JPEGImages',
            )[1]
        return
    with pytest.raises(ValueError, match=text):
        write()[1]


def test_truncated_json_and_unknown_options_are_named(tmp_path):
    (tmp_path / 'a.json').write_text('{"videos": [')
    with pytest.raises(ValueError, match='a.json: Expecting value'):
        YTVISDataset(tmp_path, ann_file='a.json')
    with pytest.raises(ValueError, match="crowd='keep'"):
        YTVISDataset(tmp_path, ann_file='a.json', crowd='keep')


def test_names_that_are_not_ascii(tmp_path):
    content = ytvis_files.ytvis({1: 2})
    content['categories'] = [
        dict(id=30, name='Äffchen'),
        dict(id=4, name='кот'),
    ]
    for name in content['videos'][0]['file_names']:
        path = tmp_path / '视频' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (32, 24)).save(path)
    ytvis_files.write_json(tmp_path / 'größe.json', content)
    dataset = DATASETS.build(
        Config(
            dict(
                data=dict(
                    type='YTVISDataset',
                    data_root=str(tmp_path),
                    ann_file='größe.json',
                    frames_dir='视频',
                )
            )
        ).data
    )
    assert dataset.metainfo['classes'] == ('кот', 'Äffchen')
    assert dataset[0]['object_categories'] == {1: 'Äffchen', 2: 'кот'}
