import numpy as np
import pytest
from mmengine.dataset import ConcatDataset
from PIL import Image

from slotkd.datasets import (
    MovingShapes,
    MoviTfdsDataset,
    VideoArrayDataset,
    VideoFolderDataset,
    VideoTarDataset,
    YTVISDataset,
)
from slotkd.datasets.dataset_check import (
    check_reader,
    each_video,
    find_readers,
)
from slotkd.datasets.video_problems import gathering_problems
from tests import ytvis_files
from tests.shards import movi_video, write_movi
from tests.tfrecords import movi_example, write_info, write_tfds


def test_counts_sizes_and_labels_of_folders(write_davis, davis_options):
    root = write_davis({'bear': 3, 'boat': 5})
    dataset = VideoFolderDataset(root, **davis_options)
    done = []
    report = check_reader(dataset, all_frames=True, progress=done.append)
    assert (report.kind, report.items) == ('VideoFolderDataset', 2)
    assert report.lengths == [3, 5]
    assert report.sizes == {(24, 32): 2}
    assert (report.frames_read, report.masks_read) == (8, 8)
    assert report.labels == {0: 2, 1: 2, 3: 2, 255: 2}
    assert (report.most_objects, report.empty_masks) == (2, 0)
    assert report.problems == []
    assert done == [1, 1]
    first = check_reader(dataset)
    assert (first.frames_read, first.lengths) == (2, [3, 5])


def test_every_bad_frame_is_named(write_davis, davis_options):
    root = write_davis({'bear': 20})
    masks = root / 'Annotations' / '480p' / 'bear'
    frames = root / 'JPEGImages' / '480p' / 'bear'
    (frames / '00018.jpg').write_bytes(b'no image')
    Image.new('RGB', (32, 24)).save(masks / '00003.png')
    Image.fromarray(np.zeros((12, 32), np.uint8)).save(masks / '00004.png')
    Image.fromarray(np.full((24, 32), 999, np.uint16)).save(
        masks / '00005.png'
    )
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(masks / '00006.png')
    dataset = VideoFolderDataset(root, **davis_options)
    report = check_reader(dataset, all_frames=True)
    assert (report.frames_read, report.empty_masks) == (17, 2)
    told = ' '.join(report.problems)
    assert len(report.problems) == 4
    for text in (
        '00003.png has mode RGB',
        'bear: mask 4 is 12x32, the first frame is 24x32',
        '00005.png has mode I;16',
        '00018.jpg is no image',
    ):
        assert text in told
    assert check_reader(dataset).problems == []  # the first frame is fine


def test_classes_and_clips_of_ytvis(tmp_path):
    content = ytvis_files.ytvis({3: 4, 7: 5})
    ytvis_files.write_json(tmp_path / 'train.json', content)
    ytvis_files.write_frames(tmp_path, content)
    dataset = YTVISDataset(
        tmp_path, ann_file='train.json', clip_len=2, clip_mode='all'
    )
    assert len(dataset) == 4
    assert [v['video_id'] for v in each_video(dataset)] == ['3', '7']
    report = check_reader(dataset, all_frames=True)
    assert (report.classes, report.items) == (2, 4)
    assert (report.lengths, report.frames_read) == ([4, 5], 9)
    assert report.labels == {0: 2, 1: 2, 2: 2}


def test_arrays_and_drawn_videos(tmp_path):
    np.savez(
        tmp_path / 'a.npz',
        video=np.zeros((20, 6, 8, 3), np.uint8),
        segmentations=np.full((20, 6, 8), 300, np.int64),
    )
    report = check_reader(VideoArrayDataset(tmp_path), all_frames=True)
    assert report.labels == {300: 1}
    report = check_reader(MovingShapes(3, num_frames=2, size=16))
    assert (report.lengths, report.frames_read) == ([2, 2, 2], 6)
    assert report.problems == []


def test_every_broken_archive_is_told(tmp_path):
    videos = np.zeros((2, 8, 10, 3), np.uint8)
    for name in ('a', 'b', 'c'):
        np.savez(tmp_path / f'{name}.npz', video=videos)
    (tmp_path / 'b.npz').write_bytes(b'no archive')
    (tmp_path / 'val.txt').write_text('a\nb\nc\nd\n')
    with gathering_problems() as found:
        dataset = VideoArrayDataset(
            tmp_path, split='val.txt', with_masks=False
        )
    assert check_reader(dataset).lengths == [2, 2]
    broken, missing = found.problems
    assert 'b.npz is no readable array' in broken
    assert 'val.txt names video d, which is not among *.npz' in missing


def test_every_short_video_is_told(write_davis, davis_options):
    root = write_davis({'bear': 3, 'boat': 5, 'cow': 2})
    with gathering_problems() as found:
        dataset = VideoFolderDataset(root, **davis_options, clip_len=4)
    assert (len(dataset), len(found.problems)) == (1, 2)
    assert found.problems[1].startswith('video cow has 2 frames, a clip nee')
    with gathering_problems() as found:
        VideoFolderDataset(root, **davis_options, clip_len=4, skip_short=True)
    assert (len(found.skipped), found.problems) == (2, [])


def test_wrapped_data_sets_are_found():
    shapes = MovingShapes(1)

    class Wrapper(MovingShapes):
        videos = shapes

    joined = ConcatDataset([shapes, MovingShapes(2)])
    assert find_readers(shapes) == [shapes]
    assert find_readers(Wrapper(3)) == [shapes]
    assert [len(reader) for reader in find_readers(joined)] == [1, 2]


@pytest.mark.data
def test_real_davis(shared, davis_options):
    dataset = VideoFolderDataset(shared / 'data/davis_mini', **davis_options)
    report = check_reader(dataset)
    assert len(report.lengths) == 10
    assert report.sizes == {(480, 854): 10}


def test_every_broken_shard_is_told(tmp_path):
    write_movi(tmp_path, shards=3, videos=2)
    paths = sorted(tmp_path.glob('*.tar'))
    paths[0].write_bytes(b'no archive')
    paths[2].write_bytes(paths[2].read_bytes()[:-5000])
    with gathering_problems() as found:
        dataset = VideoTarDataset(tmp_path)
    assert {p.name for p in paths if p.name in ' '.join(found.problems)} == {
        paths[0].name,
        paths[2].name,
    }
    report = check_reader(dataset, all_frames=True)
    assert report.frames_read == sum(report.lengths) >= 12
    assert report.problems == []
    with gathering_problems() as found:
        VideoTarDataset(tmp_path, skip_broken=True)
    assert found.problems == [] and len(found.skipped) >= 2


def test_tfds_records(tmp_path):
    write_info(tmp_path, 'movi_c', dict(train=[2]))
    examples = [movi_example(str(i), movi_video(i)) for i in range(2)]
    write_tfds(tmp_path, 'train', [examples], 'movi_c')
    dataset = MoviTfdsDataset(tmp_path, split='train')
    report = check_reader(dataset, all_frames=True)
    assert (report.lengths, report.frames_read) == ([6, 6], 12)
    assert report.problems == []
