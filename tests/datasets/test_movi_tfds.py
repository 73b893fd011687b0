import json
import pickle

import numpy as np
import pytest
from mmengine.runner import Runner

from slotkd.datasets import MoviTfdsDataset
from slotkd.registry import DATASETS
from tests.shards import movi_video
from tests.tfrecords import (
    example,
    movi_example,
    png,
    record,
    write_info,
    write_records,
    write_tfds,
)

FIRST = 'movi_e-train.tfrecord-00000-of-00002'
SECOND = 'movi_e-train.tfrecord-00001-of-00002'


@pytest.fixture(autouse=True)
def no_garbage_collection(monkeypatch):
    """Save what mmengine spends on it for each data set."""
    monkeypatch.setattr('mmengine.dataset.base_dataset.gc.collect', int)


@pytest.fixture
def root(tmp_path):
    """Return a folder with three training videos in two files."""
    folder = tmp_path / 'movi_e' / '128x128' / '1.0.0'
    write_info(folder, 'movi_e', dict(train=[2, 1], validation=[1]))
    features = [movi_example(f'v{i}', movi_video(i)) for i in range(4)]
    write_tfds(folder, 'train', [features[:2], features[2:3]])
    write_tfds(folder, 'validation', [features[3:]])
    return folder


def test_records_are_read_by_clip(root):
    dataset = DATASETS.build(
        dict(
            type='MoviTfdsDataset',
            data_root=str(root),
            clip_len=2,
            clip_mode='all',
        )
    )
    assert [item['video_id'] for item in dataset] == [
        f'v{i}' for i in range(3) for _ in range(3)
    ]
    for item in dataset:
        saved = movi_video(int(item['video_id'][1:]))
        ids = item['frame_ids']
        np.testing.assert_array_equal(item['img'], saved['video'][ids])
        np.testing.assert_array_equal(
            item['gt_seg_map'], saved['segmentations'][ids, ..., 0]
        )
        assert item['gt_seg_map'][0].dtype == np.uint8
        assert item['ori_shape'] == (8, 10)


def test_splits_stay_apart(root):
    (item,) = MoviTfdsDataset(root, split='validation')
    assert item['video_id'] == 'v3'
    np.testing.assert_array_equal(item['img'], movi_video(3)['video'])


def test_workers_give_every_video_once(root):
    loader = Runner.build_dataloader(
        dict(
            batch_size=1,
            num_workers=2,
            sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
            dataset=dict(
                type='MoviTfdsDataset',
                data_root=str(root),
                pipeline=[dict(type='PackVideoInputs')],
            ),
        ),
        seed=0,
    )
    samples = [batch['data_samples'][0] for batch in loader]
    assert [sample.video_id for sample in samples] == ['v0', 'v1', 'v2']
    for index, sample in enumerate(samples):
        np.testing.assert_array_equal(
            sample.gt_masks, movi_video(index)['segmentations'][..., 0]
        )


def test_dataset_holds_no_open_file(root):
    dataset = MoviTfdsDataset(root)
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy[1]['img'], dataset[1]['img'])


def test_training_needs_no_masks(root):
    features = movi_example('a', movi_video(0))
    del features['segmentations']
    write_tfds(root, 'validation', [[features]])
    item = MoviTfdsDataset(root, split='validation', with_masks=False)[0]
    assert 'gt_seg_map' not in item
    with pytest.raises(
        ValueError, match='00000-of-00001: record 0 holds no segmentations'
    ):
        MoviTfdsDataset(root, split='validation')


def test_record_without_a_name_is_named_by_its_place(root):
    features = movi_example('a', movi_video(0))
    del features['metadata/video_name']
    write_tfds(root, 'validation', [[features]])
    (item,) = MoviTfdsDataset(root, split='validation')
    assert item['video_id'] == 'movi_e-validation.tfrecord-00000-of-00001:0'


def test_names_of_any_alphabet_and_one_frame(root):
    video = movi_video(0, length=1)
    video['segmentations'][:] = 0
    write_tfds(root, 'validation', [[movi_example('vidéo 猫', video)]])
    (item,) = MoviTfdsDataset(root, split='validation')
    assert item['video_id'] == 'vidéo 猫' and item['frame_ids'] == [0]
    assert not np.any(item['gt_seg_map'])


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 16
    path.write_bytes(data)


def test_damaged_record_is_named_or_left_out(root):
    flip(root / FIRST, 300)
    with pytest.raises(
        ValueError,
        match=f'{FIRST}: record 0 is damaged: its data have checksum [0-9a-f]',
    ):
        MoviTfdsDataset(root)
    dataset = MoviTfdsDataset(root, skip_broken=True)
    assert [item['video_id'] for item in dataset] == ['v1', 'v2']
    assert len(dataset.problems) == 1


def test_unverified_index_is_another_one(root):
    flip(root / FIRST, 300)
    assert len(MoviTfdsDataset(root, verify=False)) == 3
    assert len(MoviTfdsDataset(root, skip_broken=True)) == 2
    assert len(MoviTfdsDataset(root, verify=False)) == 3


def test_cut_file_is_named_and_read_as_far_as_it_goes(root):
    path = root / FIRST
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(
        ValueError, match=f'{FIRST} is cut short: .* bytes of record 1 are th'
    ):
        MoviTfdsDataset(root)
    dataset = MoviTfdsDataset(root, skip_broken=True)
    assert [item['video_id'] for item in dataset] == ['v0', 'v2']


def test_file_cut_between_records_is_noticed(root):
    path = root / FIRST
    features = movi_example('v0', movi_video(0))
    path.write_bytes(record(example(features)))
    with pytest.raises(
        ValueError,
        match=f'{FIRST} holds 1 records, dataset_info.json says 2',
    ):
        MoviTfdsDataset(root)
    assert len(MoviTfdsDataset(root, skip_broken=True)) == 2


def test_missing_file_is_named(root):
    (root / SECOND).unlink()
    with pytest.raises(ValueError, match=f'{SECOND} is missing'):
        MoviTfdsDataset(root)


def broken(**changes):
    return movi_example('a', movi_video(0)) | changes


@pytest.mark.parametrize(
    ('features', 'text'),
    [
        (broken(video=[]), 'record 0 holds no video'),
        (broken(video=[1, 2]), 'record 0 holds no video'),
        (
            broken(segmentations=[png(np.zeros((8, 10), np.uint8))]),
            'record 0 holds 1 segmentations for 6 frames of video',
        ),
        (broken(video=[b'text'] * 6), 'record 0 .* of frame 0 cannot be read'),
    ],
)
def test_wrong_features_are_named(root, features, text):
    write_tfds(root, 'validation', [[features]])
    with pytest.raises(ValueError, match=f'-00000-of-00001: {text}'):
        MoviTfdsDataset(root, split='validation')


def test_no_example_is_named(root):
    path = root / 'movi_e-validation.tfrecord-00000-of-00001'
    write_records(path, [b'\x0b'])
    with pytest.raises(ValueError, match='record 0 is no example: '):
        MoviTfdsDataset(root, split='validation')


def test_broken_image_later_on_is_named_when_it_is_read(root):
    features = movi_example('a', movi_video(0))
    features['video'][3] = features['video'][3][:100]
    features['segmentations'][2] = features['video'][0]
    write_tfds(root, 'validation', [[features]])
    dataset = MoviTfdsDataset(root, split='validation')
    video = dataset.list_videos()[0]
    with pytest.raises(
        ValueError, match='-of-00001: record 0, video 3 cannot be read'
    ):
        dataset.read_frames(video, [2, 3])
    with pytest.raises(
        ValueError, match='record 0, segmentations 2 has mode RGB, which hold'
    ):
        dataset.read_masks(video, [2])


def test_index_is_reused_and_mended(root, monkeypatch):
    assert len(MoviTfdsDataset(root)) == 3
    features = [movi_example(f'n{i}', movi_video(i)) for i in range(3)]
    write_tfds(root, 'train', [features[:2], features[2:]])
    ids = [item['video_id'] for item in MoviTfdsDataset(root)]
    assert ids == ['n0', 'n1', 'n2']
    monkeypatch.setattr(
        MoviTfdsDataset, 'scan_shard', lambda *_: pytest.fail('scanned again')
    )
    assert len(MoviTfdsDataset(root, with_masks=False, clip_len=4)) == 3


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        (dict(splits=[]), "split 'train' has no files; the splits are none"),
        (dict(fileFormat='riegeli'), 'files of format riegeli named'),
        (dict(name=None, splits=None), 'cannot be read: TypeError'),
        (
            dict(splits=[dict(name='train', shardLengths=['x'])]),
            'cannot be read: ValueError',
        ),
        (
            dict(splits=[dict(name='train', shardLengths=[])]),
            "split 'train' has no files; the splits are train",
        ),
        (
            dict(
                splits=[
                    dict(
                        name='train',
                        shardLengths=['1'],
                        filepathTemplate='{SPLIT}',
                    )
                ]
            ),
            'files of format tfrecord named {SPLIT} are not read',
        ),
    ],
)
def test_wrong_info_is_named(root, changes, text):
    path = root / 'dataset_info.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=f'dataset_info.json:? {text}'):
        MoviTfdsDataset(root)


def test_missing_or_cut_info_is_named(root):
    path = root / 'dataset_info.json'
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match='cannot be read: JSONDecodeError'):
        MoviTfdsDataset(root)
    with pytest.raises(ValueError, match='not found; data_root is the folder'):
        MoviTfdsDataset(root.parent)


@pytest.mark.data
def test_real_movi_survives_the_records(shared, tmp_path):
    path = shared / 'data' / 'movi_a' / 'validation_video_1055.npz'
    with np.load(path) as archive:
        saved = {key: archive[key] for key in ('video', 'segmentations')}
    write_info(tmp_path, 'movi_a', dict(validation=[1]))
    features = movi_example('1055', saved)
    write_tfds(tmp_path, 'validation', [[features]], 'movi_a')
    (item,) = MoviTfdsDataset(tmp_path, split='validation')
    np.testing.assert_array_equal(item['img'], saved['video'])
    np.testing.assert_array_equal(
        item['gt_seg_map'], saved['segmentations'][..., 0]
    )
