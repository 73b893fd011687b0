import json

import numpy as np
import pytest

from slotkd.datasets import VideoTarDataset, tar_writer
from slotkd.datasets.tar_writer import TarSet, file_digest, write_shard
from tests.shards import movi_video


def videos(*keys):
    return [(key, movi_video(index)) for index, key in enumerate(keys)]


def test_what_is_written_is_read(tmp_path):
    record = write_shard(tmp_path / 'new' / 'a.tar', videos('7', 'bär'))
    assert record['videos'] == {'7': [6, 8, 10], 'bär': [6, 8, 10]}
    path = tmp_path / 'new' / 'a.tar'
    assert record['bytes'] == path.stat().st_size
    assert record['sha256'] == file_digest(path)
    dataset = VideoTarDataset(path.parent)
    assert [item['video_id'] for item in dataset] == ['7', 'bär']
    expected = movi_video(1)
    item = dataset[1]
    np.testing.assert_array_equal(item['img'], expected['video'])
    np.testing.assert_array_equal(
        item['gt_seg_map'], expected['segmentations'][..., 0]
    )


def test_the_same_videos_make_the_same_bytes(tmp_path):
    first = write_shard(tmp_path / 'a.tar', videos('1', '2'))
    second = write_shard(tmp_path / 'b.tar', videos('1', '2'))
    assert first == second
    assert write_shard(tmp_path / 'c.tar', videos('1', '3')) != first


def test_what_fails_leaves_nothing(tmp_path, monkeypatch):
    def broken():
        yield from videos('1')
        raise OSError('no such frame')

    with pytest.raises(OSError, match='no such frame'):
        write_shard(tmp_path / 'a.tar', broken())
    for key in ('a.b', 'a/b', ''):
        with pytest.raises(ValueError, match='cannot name members'):
            write_shard(tmp_path / 'a.tar', videos(key))
    with pytest.raises(ValueError, match='video 1 occurs twice'):
        write_shard(tmp_path / 'a.tar', videos('1', '1'))
    monkeypatch.setattr(tar_writer, '_checksum', lambda array: 1)
    with pytest.raises(ValueError, match='1.video is not what was written'):
        write_shard(tmp_path / 'a.tar', videos('1')[:1])
    assert list(tmp_path.iterdir()) == []


def test_members_that_are_lost_are_named(tmp_path, monkeypatch):
    add = tar_writer._add

    def forgetful(tar, name, array):
        if 'segmentations' not in name:
            add(tar, name, array)

    monkeypatch.setattr(tar_writer, '_add', forgetful)
    with pytest.raises(ValueError, match='segmentations is not there'):
        write_shard(tmp_path / 'a.tar', videos('1'))


def test_a_set_goes_on_where_it_stopped(tmp_path):
    tars = TarSet(tmp_path, 'clips', dict(short_side=8))
    tars.write(0, iter(videos('1', '2')))
    content = json.loads((tmp_path / 'clips.json').read_text())
    assert content['short_side'] == 8
    assert content['num_videos'] == 2
    assert list(content['shards']) == ['clips-000000.tar']
    again = TarSet(tmp_path, 'clips', dict(short_side=8))
    assert again.is_done(0, ['1', '2'])
    assert not again.is_done(0, ['1', '3'])
    assert not again.is_done(1, ['3'])
    path = again.shard_path(0)
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    assert not again.is_done(0, ['1', '2'])
    path.unlink()
    assert not again.is_done(0, ['1', '2'])


def test_other_facts_are_refused(tmp_path):
    TarSet(tmp_path, 'clips', dict(short_side=8)).write(0, iter(videos('1')))
    with pytest.raises(
        ValueError, match='clips.json: was made with short_side=8, now it is 9'
    ):
        TarSet(tmp_path, 'clips', dict(short_side=9))
    (tmp_path / 'clips.json').write_text('{"short_side"')
    with pytest.raises(ValueError, match='clips.json: Expecting'):
        TarSet(tmp_path, 'clips', dict(short_side=8))
