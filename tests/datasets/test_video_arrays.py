import numpy as np
import pytest

from slotkd.datasets import FrameGeometry, VideoArrayDataset
from slotkd.registry import DATASETS


def arrays(length=6, height=8, width=10):
    rng = np.random.default_rng(length)
    return dict(
        video=rng.integers(0, 256, (length, height, width, 3), dtype=np.uint8),
        segmentations=rng.integers(
            0, 4, (length, height, width, 1), dtype=np.uint8
        ),
    )


def test_archives_are_read_by_clip(tmp_path):
    saved = arrays()
    np.savez_compressed(tmp_path / 'train_1.npz', **saved)
    np.savez(tmp_path / 'val_1.npz', **arrays(9))
    dataset = DATASETS.build(
        dict(
            type='VideoArrayDataset',
            data_root=str(tmp_path),
            files='train_*.npz',
            clip_len=3,
            clip_mode='all',
        )
    )
    assert len(dataset) == 2
    item = dataset[1]
    assert item['video_id'] == 'train_1'
    assert item['frame_ids'] == [3, 4, 5]
    np.testing.assert_array_equal(item['img'], saved['video'][3:])
    np.testing.assert_array_equal(
        item['gt_seg_map'], saved['segmentations'][3:, ..., 0]
    )


def test_npy_pairs_are_memory_mapped(tmp_path, monkeypatch):
    saved = arrays()
    np.save(tmp_path / 'a.video.npy', saved['video'])
    np.save(tmp_path / 'a.segmentations.npy', saved['segmentations'][..., 0])
    modes = []
    load = np.load

    def spy(path, mmap_mode=None, allow_pickle=True):
        modes.append((mmap_mode, allow_pickle))
        return load(path, mmap_mode=mmap_mode, allow_pickle=allow_pickle)

    monkeypatch.setattr(np, 'load', spy)
    dataset = VideoArrayDataset(tmp_path, files='*.npy', clip_len=6)
    item = dataset[0]
    assert item['video_id'] == 'a'
    assert len(dataset) == 1
    np.testing.assert_array_equal(item['img'], saved['video'])
    np.testing.assert_array_equal(
        item['gt_seg_map'], saved['segmentations'][..., 0]
    )
    assert set(modes) == {('r', False)}
    assert not isinstance(item['img'][0], np.memmap)


def test_patterns_and_split_choose_files_in_counting_order(tmp_path):
    for name in ('a_10', 'a_9', 'b_1', 'c_1'):
        np.savez(tmp_path / f'{name}.npz', **arrays())
    dataset = VideoArrayDataset(tmp_path, files=['a_*.npz', 'b_*.npz'])
    assert [i['video_id'] for i in dataset] == ['a_9', 'a_10', 'b_1']
    (tmp_path / 'val.txt').write_text('c_1\na_9\n')
    chosen = VideoArrayDataset(tmp_path, split='val.txt')
    assert [i['video_id'] for i in chosen] == ['c_1', 'a_9']
    (tmp_path / 'val.txt').write_text('c_1\nd_1\n')
    with pytest.raises(ValueError, match='val.txt names video d_1'):
        VideoArrayDataset(tmp_path, split='val.txt')


def test_videos_without_labels_need_no_masks(tmp_path):
    np.savez(tmp_path / 'a.npz', video=arrays()['video'])
    item = VideoArrayDataset(tmp_path, with_masks=False)[0]
    assert 'gt_seg_map' not in item
    with pytest.raises(
        ValueError, match='a.npz holds no segmentations, only vi'
    ):
        VideoArrayDataset(tmp_path)


def wrong(**changes):
    return dict(arrays(), **changes)


@pytest.mark.parametrize(
    ('saved', 'text'),
    [
        (
            wrong(video=np.zeros((2, 8, 10, 3), np.float32)),
            r'bad.npz: video must be uint8 .* got float32 \(2, 8, 10, 3\)',
        ),
        (
            wrong(video=np.zeros((2, 8, 10), np.uint8)),
            r'video must be uint8 \(T, H, W, 3\), got uint8 \(2, 8, 10\)',
        ),
        (wrong(video=np.zeros((0, 8, 10, 3), np.uint8)), 'video holds no fra'),
        (
            wrong(segmentations=np.zeros((5, 8, 10, 1), np.uint8)),
            r'segmentations \(5, 8, 10, 1\) do not fit video \(6, 8, 10, 3\)',
        ),
        (
            wrong(segmentations=np.zeros((6, 8, 9), np.uint8)),
            r'segmentations \(6, 8, 9\) do not fit video \(6, 8, 10, 3\)',
        ),
        (
            wrong(segmentations=np.zeros((6, 8, 10, 2), np.uint8)),
            r'\(6, 8, 10, 2\) do not fit',
        ),
        (
            wrong(segmentations=np.zeros((6, 8, 10), np.float64)),
            'segmentations must be integers, got float64',
        ),
        (wrong(video=np.array([None])), 'video must be uint8 .* got object'),
        (
            dict(frames=arrays()['video']),
            'bad.npz holds no video, only frames',
        ),
    ],
)
def test_wrong_arrays_are_named_before_training(tmp_path, saved, text):
    np.savez(tmp_path / 'bad.npz', **saved)
    with pytest.raises(ValueError, match=text):
        VideoArrayDataset(tmp_path)


def test_broken_files_are_named(tmp_path):
    np.savez(tmp_path / 'a.npz', **arrays())
    whole = (tmp_path / 'a.npz').read_bytes()
    for content in (b'', b'text', whole[: len(whole) // 2]):
        (tmp_path / 'a.npz').write_bytes(content)
        with pytest.raises(ValueError, match='a.npz is no readable array'):
            VideoArrayDataset(tmp_path)
    np.save(tmp_path / 'b.npy', arrays()['video'])
    short = (tmp_path / 'b.npy').read_bytes()[:500]
    (tmp_path / 'b.npy').write_bytes(short)
    with pytest.raises(ValueError, match='b.npy is no readable array'):
        VideoArrayDataset(tmp_path, files='b.npy', with_masks=False)


def test_flipped_bytes_are_found_while_reading(tmp_path):
    np.savez(tmp_path / 'a.npz', **arrays())
    dataset = VideoArrayDataset(tmp_path)
    data = bytearray((tmp_path / 'a.npz').read_bytes())
    data[400] ^= 255
    (tmp_path / 'a.npz').write_bytes(data)
    with pytest.raises(ValueError, match='a.npz is no readable array.*CRC'):
        dataset[0]


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ValueError, match='folder of arrays .*none not found'):
        VideoArrayDataset(tmp_path / 'none')
    with pytest.raises(ValueError, match=r'no file in .* matches \*.npz'):
        VideoArrayDataset(tmp_path)
    np.save(tmp_path / 'a.npy', arrays()['video'])
    with pytest.raises(ValueError, match='a.segmentations.npy is no readable'):
        VideoArrayDataset(tmp_path, files='*.npy')
    np.save(tmp_path / 'a.video.npy', arrays()['video'])
    with pytest.raises(ValueError, match='are both video a'):
        VideoArrayDataset(tmp_path, files='*.npy')


@pytest.mark.data
def test_real_movi_at_network_size_and_back(shared):
    dataset = VideoArrayDataset(
        shared / 'data' / 'movi_a',
        files='validation_*.npz',
        pipeline=[
            dict(type='ResizeVideo', size=336),
            dict(type='PackVideoInputs'),
        ],
    )
    item = dataset[0]
    sample = item['data_samples']
    assert item['inputs'].shape == (24, 3, 336, 336)
    assert sample.ori_shape == (128, 128)
    assert sample.gt_masks.unique().tolist() == list(range(10))
    back = FrameGeometry.from_results(sample.metainfo).masks_to_original(
        sample.gt_masks
    )
    path = shared / 'data' / 'movi_a' / 'validation_video_1055.npz'
    with np.load(path) as archive:
        np.testing.assert_array_equal(back, archive['segmentations'][..., 0])
