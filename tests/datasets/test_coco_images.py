import numpy as np
import pytest

from slotkd.datasets import CocoImageDataset
from tests import ytvis_files

FILE = 'annotations/instances_val2017.json'


@pytest.fixture
def content():
    return ytvis_files.coco(3)


@pytest.fixture
def write(tmp_path, content):
    """Return a function that writes the tree and opens it."""

    def write(**options):
        ytvis_files.write_json(tmp_path / FILE, content)
        ytvis_files.write_frames(tmp_path / 'val2017', content)
        defaults = dict(ann_file=FILE, frames_dir='val2017')
        return CocoImageDataset(tmp_path, **(defaults | options))

    return write


def test_an_image_is_a_clip_of_one_frame(write):
    dataset = write(pipeline=[dict(type='PackVideoInputs')])
    assert len(dataset) == 3
    item = dataset[2]
    sample = item['data_samples']
    assert item['inputs'].shape == (1, 3, 24, 32)
    assert (sample.video_id, sample.frame_ids) == ('3', [0])
    first, second = ytvis_files.disjoint(1)
    np.testing.assert_array_equal(sample.gt_masks, first + 2 * second)
    assert sample.object_categories == {1: 'ape', 2: 'cat'}


def test_training_reads_images_alone(write, content):
    del content['annotations']
    dataset = write(with_masks=False, first_videos=2)
    assert [item['video_id'] for item in dataset] == ['1', '2']
    assert 'gt_seg_map' not in dataset[0]
    with pytest.raises(ValueError, match="2017.json: .*field 'annotations'"):
        write()


def test_crowds_and_overlaps(write, content):
    content['annotations'][0].update(iscrowd=1)
    content['annotations'][3]['segmentation'] = content['annotations'][2][
        'segmentation'
    ]
    first, second = ytvis_files.disjoint(1)
    dataset = write(crowd='void', ignore_overlaps=True)
    np.testing.assert_array_equal(
        dataset[0]['gt_seg_map'], 255 * first + 1 * second
    )
    np.testing.assert_array_equal(dataset[1]['gt_seg_map'], 255 * first)
    with pytest.raises(ValueError, match='video 2, frame 0: .*overlap in 140'):
        write()[1]


def test_broken_files_are_named(write, content, tmp_path):
    content['annotations'][1]['segmentation']['size'] = [32, 24]
    with pytest.raises(
        ValueError, match=r'val2017.json: annotation 2 .*\[32, 24\].*\[24, 32'
    ):
        write()
    content['annotations'][1]['segmentation']['size'] = [24, 32]
    write()
    (tmp_path / 'val2017' / '000000000002.jpg').unlink()
    with pytest.raises(ValueError, match='lists video 2, .*000002.jpg'):
        CocoImageDataset(tmp_path, ann_file=FILE, frames_dir='val2017')
    content['annotations'][0]['segmentation'] = [[1, 2, 3, 4]]
    with pytest.raises(
        ValueError, match='annotation 1: frame 0: .*three corners'
    ):
        write()[0]
