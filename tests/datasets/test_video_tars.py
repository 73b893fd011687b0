import itertools
import pickle

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from slotkd.datasets import FrameGeometry, VideoTarDataset
from slotkd.registry import DATASETS
from tests.shards import members_of, movi_video, npy, write_movi, write_tar


@pytest.fixture(autouse=True)
def no_garbage_collection(monkeypatch):
    """Save what mmengine spends on it for each data set."""
    monkeypatch.setattr('mmengine.dataset.base_dataset.gc.collect', int)


def test_movi_shards_are_read_by_clip(tmp_path):
    written = write_movi(tmp_path, length=9)
    dataset = DATASETS.build(
        dict(
            type='VideoTarDataset',
            data_root=str(tmp_path),
            shards='movi_c-train-{000000..000001}.tar',
            clip_len=4,
            clip_mode='all',
        )
    )
    assert len(dataset) == 12
    items = [(item['video_id'], item['frame_ids']) for item in dataset]
    assert items[:3] == [
        ('0', [0, 1, 2, 3]),
        ('0', [4, 5, 6, 7]),
        ('1', [0, 1, 2, 3]),
    ]
    for item in dataset:
        saved = written[item['video_id']]
        ids = item['frame_ids']
        np.testing.assert_array_equal(item['img'], saved['video'][ids])
        np.testing.assert_array_equal(
            item['gt_seg_map'], saved['segmentations'][ids, ..., 0]
        )
        assert item['ori_shape'] == (8, 10) and item['video_length'] == 9


def test_training_draws_one_block_per_visit(tmp_path):
    write_movi(tmp_path, shards=1, videos=1, length=24)
    dataset = VideoTarDataset(tmp_path, with_masks=False, clip_len=4)
    np.random.seed(0)
    seen = {tuple(dataset[0]['frame_ids']) for _ in range(60)}
    assert seen == {tuple(range(i, i + 4)) for i in range(0, 24, 4)}
    assert 'gt_seg_map' not in dataset[0]


def test_video_of_one_frame_and_empty_masks(tmp_path):
    video = movi_video(0, length=1)
    video['segmentations'][:] = 0
    write_tar(tmp_path / 'a.tar', members_of('0', video))
    item = VideoTarDataset(tmp_path)[0]
    assert item['frame_ids'] == [0]
    np.testing.assert_array_equal(item['img'], video['video'])
    assert not np.any(item['gt_seg_map'])
    with pytest.raises(ValueError, match='video 0 has 1 frames, a clip needs'):
        VideoTarDataset(tmp_path, clip_len=4)


def test_labels_of_more_bits(tmp_path):
    video = movi_video(0)
    masks = video['segmentations']
    for dtype in ('>u2', '<i8'):
        video['segmentations'] = masks.astype(dtype) * 84
        write_tar(tmp_path / 'a.tar', members_of('0', video))
        labels = VideoTarDataset(tmp_path)[0]['gt_seg_map']
        assert labels[0].dtype == np.uint8
        np.testing.assert_array_equal(labels, masks[..., 0] * 84)
    for factor, low, high in ((85, 0, 255), (-1, -3, 0)):
        video['segmentations'] = masks.astype(np.int16) * factor
        write_tar(tmp_path / 'a.tar', members_of('0', video))
        dataset = VideoTarDataset(tmp_path)
        text = f'segmentations.npy, frame 2: int16 labels {low} to {high} do'
        with pytest.raises(ValueError, match=text):
            dataset.read_masks(dataset.list_videos()[0], [2])


def ytvis_video(masks):
    """Return a video with a channel for each of the given boolean masks."""
    channels = [
        mask * np.uint8(category)
        for mask, category in zip(masks, itertools.cycle((7, 31, 7)))
    ]
    video = movi_video(0, *masks[0].shape) if masks else movi_video(0)
    video['segmentations'] = (
        np.stack(channels, -1) if masks else np.zeros((6, 8, 10, 0), np.uint8)
    )
    return video


def boxes(*rows):
    """Return a mask for each pair of rows; of frame 1 none."""
    masks = []
    for first, last in rows:
        mask = np.zeros((3, 8, 10), bool)
        mask[::2, first:last] = True
        masks.append(mask)
    return masks


def test_channels_of_ytvis_become_labels(tmp_path):
    """Two instances of one category stay two; the category is dropped."""
    write_tar(
        tmp_path / 'ytvis-validation-000000.tar',
        [
            *members_of('12', ytvis_video(boxes((0, 2), (3, 4), (6, 8)))),
            *members_of('13', ytvis_video([])),
        ],
    )
    first, second = VideoTarDataset(tmp_path, mask_format='channels')
    frame = np.repeat([1, 1, 0, 2, 0, 0, 3, 3], 10).reshape(8, 10)
    np.testing.assert_array_equal(
        first['gt_seg_map'], [frame, 0 * frame, frame]
    )
    assert not np.any(second['gt_seg_map'])


def test_overlapping_channels_are_an_error_or_void(tmp_path):
    video = ytvis_video(boxes((0, 4), (3, 6)))
    write_tar(tmp_path / 'a.tar', members_of('12', video))
    options = dict(mask_format='channels')
    with pytest.raises(
        ValueError,
        match=r'a.tar: 12.segmentations.npy, frame 0: instances overlap in 10',
    ):
        VideoTarDataset(tmp_path, **options)[0]
    item = VideoTarDataset(tmp_path, **options, ignore_overlaps=True)[0]
    assert np.unique(item['gt_seg_map'][0][:, 0]).tolist() == [0, 1, 2, 255]


def test_workers_give_every_video_once(tmp_path):
    """As in SlotContrast's validation, without its padded dummies."""
    written = write_movi(tmp_path, shards=3, videos=3, length=4)
    loader = Runner.build_dataloader(
        dict(
            batch_size=1,
            num_workers=2,
            sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
            dataset=dict(
                type='VideoTarDataset',
                data_root=str(tmp_path),
                pipeline=[dict(type='PackVideoInputs')],
            ),
        ),
        seed=0,
    )
    for _ in range(2):
        seen = []
        for batch in loader:
            (inputs,), (sample,) = batch['inputs'], batch['data_samples']
            saved = written[sample.video_id]
            np.testing.assert_array_equal(
                inputs.permute(0, 2, 3, 1), saved['video']
            )
            np.testing.assert_array_equal(
                sample.gt_masks, saved['segmentations'][..., 0]
            )
            seen.append(sample.video_id)
        assert seen == list(written)


def test_dataset_holds_no_open_file(tmp_path):
    """So a process that is spawned gets a working copy."""
    write_movi(tmp_path)
    dataset = VideoTarDataset(tmp_path)
    first = dataset[0]
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy[0]['img'], first['img'])


@pytest.mark.slow
def test_spawned_workers(tmp_path):
    written = write_movi(tmp_path)
    loader = torch.utils.data.DataLoader(
        VideoTarDataset(tmp_path),
        batch_size=None,
        num_workers=2,
        multiprocessing_context='spawn',
    )
    for item in loader:
        np.testing.assert_array_equal(
            item['img'], written[item['video_id']]['video']
        )


def test_a_shard_cut_in_the_masks_says_so(tmp_path):
    path = tmp_path / 'a.tar'
    write_tar(path, members_of('0', movi_video(1)))
    path.write_bytes(path.read_bytes()[:700])
    text = 'has no video, only segmentations, which is cut short: 188 of'
    for with_masks in (True, False):
        with pytest.raises(ValueError, match=text):
            VideoTarDataset(tmp_path, with_masks=with_masks)


def broken_videos():
    """Yield members of a broken video and what the error says."""
    good = movi_video(1)

    def wrong(**changes):
        return members_of('é', dict(good, **changes))

    yield (
        members_of('é', good)[1:],
        'a.tar: video é has no segmentations, only video',
    )
    yield (
        members_of('é', good)[:1],
        'a.tar: video é has no video, only segmentations',
    )
    yield (
        wrong(video=good['video'].astype(np.float32)),
        r'é.video.npy must be uint8 \(T, H, W, 3\), got float32 \(6, 8, 10, 3',
    )
    yield (
        wrong(video=good['video'][..., :1]),
        r'é.video.npy must be uint8 .*, got uint8 \(6, 8, 10, 1\)',
    )
    yield wrong(video=good['video'][:0]), 'é.video.npy holds no frame'
    yield (
        wrong(segmentations=good['segmentations'][:5]),
        r'é.segmentations.npy \(5, 8, 10, 1\) do not fit video \(6, 8, 10, 3',
    )
    yield (
        wrong(segmentations=good['segmentations'] / 2),
        'é.segmentations.npy must be integers, got float64',
    )
    yield (
        wrong(segmentations=np.repeat(good['segmentations'], 2, -1)),
        r'\(6, 8, 10, 2\) do not fit video',
    )
    yield (
        wrong(segmentations=np.array([None])),
        'é.segmentations.npy holds Python objects',
    )
    members = members_of('é', good)
    yield (
        [members[0], (members[1][0], members[1][1][:-1])],
        r'a.tar: é.video.npy is damaged: .* takes 1440 bytes, 1439 are there',
    )
    yield [*members, *members], 'a.tar: é.video.npy is there twice'


@pytest.mark.parametrize(('members', 'text'), list(broken_videos()))
def test_broken_videos_are_named_or_left_out(tmp_path, capsys, members, text):
    good = [members_of(key, movi_video(2)) for key in ('0', '2')]
    write_tar(tmp_path / 'a.tar', [*good[0], *members, *good[1]])
    with pytest.raises(ValueError, match=text):
        VideoTarDataset(tmp_path)
    with pytest.raises(ValueError, match='skip_broken=True leaves out'):
        VideoTarDataset(tmp_path)
    dataset = VideoTarDataset(tmp_path, skip_broken=True)
    assert [item['video_id'] for item in dataset] == ['0', '2']
    assert len(dataset.problems) == 1
    assert f'left out 1 broken parts of {tmp_path}' in capsys.readouterr().out


def test_broken_masks_do_not_matter_to_training(tmp_path):
    members = members_of('0', dict(movi_video(0), segmentations=np.zeros(3)))
    write_tar(tmp_path / 'a.tar', members)
    with pytest.raises(ValueError, match='must be integers'):
        VideoTarDataset(tmp_path)
    assert len(VideoTarDataset(tmp_path, with_masks=False)) == 1


def test_missing_and_cut_shards(tmp_path):
    write_movi(tmp_path, shards=3)
    shards = 'movi_c-train-{000000..000003}.tar'
    path = tmp_path / 'movi_c-train-000001.tar'
    path.write_bytes(path.read_bytes()[:7000])
    with pytest.raises(
        ValueError, match=r'000001.tar: 4.video.npy is cut .* \(1 more like'
    ):
        VideoTarDataset(tmp_path, shards=shards)
    dataset = VideoTarDataset(tmp_path, shards=shards, skip_broken=True)
    ids = [item['video_id'] for item in dataset]
    assert ids == ['0', '1', '2', '3', '6', '7', '8']
    assert dataset.problems[1].endswith('000003.tar is missing')
    with pytest.raises(ValueError, match='no video in 2 shards that match b-'):
        VideoTarDataset(tmp_path, shards='b-{0..1}.tar', skip_broken=True)


def test_index_is_reused_for_training_and_validation(tmp_path, monkeypatch):
    write_movi(tmp_path)
    VideoTarDataset(tmp_path, with_masks=False, clip_len=4)
    monkeypatch.setattr(
        VideoTarDataset, 'scan_shard', lambda *_: pytest.fail('scanned again')
    )
    assert len(VideoTarDataset(tmp_path)) == 6


def test_stale_index_is_mended(tmp_path):
    write_movi(tmp_path)
    VideoTarDataset(tmp_path)
    changed = movi_video(100, length=3)
    write_tar(tmp_path / 'movi_c-train-000001.tar', members_of('new', changed))
    items = list(VideoTarDataset(tmp_path))
    assert [item['video_id'] for item in items] == ['0', '1', '2', 'new']
    np.testing.assert_array_equal(items[-1]['img'], changed['video'])


def test_pickled_video_is_never_loaded(tmp_path):
    """A pickle that would run code is refused by its header."""

    class Bomb:
        def __reduce__(self):
            return (tmp_path / 'ran').touch, ()

    content = npy(np.array([Bomb()], dtype=object))
    write_tar(tmp_path / 'a.tar', [('0.video.npy', content)])
    with pytest.raises(ValueError, match='0.video.npy holds Python objects'):
        VideoTarDataset(tmp_path)
    assert not (tmp_path / 'ran').exists()


def test_wrong_options_are_named(tmp_path):
    with pytest.raises(ValueError, match="mask_format='onehot' is not one of"):
        VideoTarDataset(tmp_path, mask_format='onehot')


@pytest.mark.data
def test_real_movi_survives_the_tar(shared, tmp_path):
    path = shared / 'data' / 'movi_a' / 'validation_video_1055.npz'
    with np.load(path) as archive:
        saved = {key: archive[key] for key in ('video', 'segmentations')}
    write_tar(tmp_path / 'a.tar', members_of('1055', saved))
    dataset = VideoTarDataset(
        tmp_path,
        pipeline=[
            dict(type='ResizeVideo', size=336),
            dict(type='PackVideoInputs'),
        ],
    )
    sample = dataset[0]['data_samples']
    assert sample.gt_masks.unique().tolist() == list(range(10))
    back = FrameGeometry.from_results(sample.metainfo).masks_to_original(
        sample.gt_masks
    )
    np.testing.assert_array_equal(back, saved['segmentations'][..., 0])
