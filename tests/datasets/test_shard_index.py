import json
import os

import pytest

from slotkd.datasets import shard_index
from slotkd.datasets.shard_index import (
    ShardContent,
    index_places,
    index_shards,
)

PATTERNS = ('*.txt',)


class Scanner:
    """Reads a text file: each line is a video."""

    def __init__(self):
        self.seen = []

    def __call__(self, path):
        self.seen.append(path.name)
        lines = path.read_text().split()
        return ShardContent(videos=[dict(video_id=line) for line in lines])


@pytest.fixture
def shards(tmp_path):
    """Write two shards and return a function that indexes them."""
    root = tmp_path / 'dätä'
    root.mkdir()
    (root / 'a.txt').write_text('cat dog')
    (root / 'b.txt').write_text('emu')

    def index(**options):
        scan = Scanner()
        found = index_shards(
            root,
            options.pop('names', ['a.txt', 'b.txt']),
            scan,
            kind='text',
            patterns=PATTERNS,
            **options,
        )
        videos = {
            name: [video['video_id'] for video in content.videos]
            for name, content in found.items()
        }
        return videos, scan.seen

    index.root = root
    index.path = index_places(root, 'text', PATTERNS, None)[0]
    return index


BOTH = {'a.txt': ['cat', 'dog'], 'b.txt': ['emu']}


def test_built_once_and_reused(shards):
    assert shards() == (BOTH, ['a.txt', 'b.txt'])
    assert shards() == (BOTH, [])
    names = {path.name for path in shards.root.iterdir()}
    assert names == {'a.txt', 'b.txt', shards.path.name}
    assert shards.path.name.startswith('slotkd_index_text_')


def test_order_is_that_of_the_names(shards):
    shards()
    videos, seen = shards(names=['b.txt', 'a.txt'])
    assert list(videos) == ['b.txt', 'a.txt'] and seen == []


def test_changed_shards_alone_are_read_anew(shards):
    shards()
    (shards.root / 'b.txt').write_text('emu fox')
    (shards.root / 'c.txt').write_text('gnu')
    videos, seen = shards(names=['a.txt', 'b.txt', 'c.txt'])
    assert videos == BOTH | {'b.txt': ['emu', 'fox'], 'c.txt': ['gnu']}
    assert seen == ['b.txt', 'c.txt']
    assert shards(names=['a.txt', 'b.txt', 'c.txt'])[1] == []


def test_same_size_at_another_time_is_a_change(shards):
    shards()
    path = shards.root / 'b.txt'
    stat = path.stat()
    path.write_text('yak')
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert shards() == (BOTH | {'b.txt': ['yak']}, ['b.txt'])


def test_missing_shard_is_told_and_found_when_it_comes(shards):
    names = ['a.txt', 'c.txt']
    content = index_shards(
        shards.root, names, Scanner(), kind='text', patterns=PATTERNS
    )
    assert content['c.txt'] == ShardContent(videos=[], problem='is missing')
    assert shards(names=names)[1] == []
    (shards.root / 'c.txt').write_text('gnu')
    assert shards(names=names)[1] == ['c.txt']
    (shards.root / 'c.txt').unlink()
    assert shards(names=names)[0]['c.txt'] == []


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'{"version": 1, "sha',
        b'\xff\xfe',
        b'[]',
        b'{"version": 1}',
        b'{"version": 0, "shards": {}}',
    ],
)
def test_unusable_index_is_told_and_built_anew(shards, capsys, content):
    shards.path.write_bytes(content)
    assert shards() == (BOTH, ['a.txt', 'b.txt'])
    assert f'{shards.path} cannot be used' in capsys.readouterr().out
    assert json.loads(shards.path.read_bytes())['version'] == 1
    assert shards() == (BOTH, [])


def refuse(monkeypatch, root):
    """Make a folder read-only, for the super-user too."""
    write = shard_index.write_atomically

    def refusing(data, path):
        if path.parent == root:
            raise PermissionError(13, 'Permission denied', str(path))
        write(data, path)

    monkeypatch.setattr(shard_index, 'write_atomically', refusing)


def test_read_only_folder_keeps_its_index_elsewhere(
    shards, tmp_path, monkeypatch
):
    refuse(monkeypatch, shards.root)
    cache = tmp_path / 'cache' / 'deep'
    assert shards(index_dir=cache)[1] == ['a.txt', 'b.txt']
    assert len(list(cache.iterdir())) == 1
    assert shards(index_dir=cache) == (BOTH, [])
    assert not shards.path.exists()


def test_stale_index_in_a_read_only_folder_does_not_hide_the_other(
    shards, tmp_path, monkeypatch
):
    shards()
    (shards.root / 'a.txt').write_text('ape')
    refuse(monkeypatch, shards.root)
    assert shards(index_dir=tmp_path / 'cache')[1] == ['a.txt']
    assert shards(index_dir=tmp_path / 'cache') == (
        BOTH | {'a.txt': ['ape']},
        [],
    )


def test_folders_that_share_a_cache_have_own_indices(tmp_path):
    places = {
        index_places(tmp_path / root, 'tar', patterns, tmp_path / 'cache')[1]
        for root in 'ab'
        for patterns in (['x'], ['y'])
    }
    assert len(places) == 4


def test_nowhere_to_keep_the_index_is_told(shards, monkeypatch, capsys):
    refuse(monkeypatch, shards.root)
    assert shards()[1] == ['a.txt', 'b.txt']
    told = capsys.readouterr().out
    assert 'cannot be kept' in told and 'index_dir' in told
    assert shards()[1] == ['a.txt', 'b.txt']


def test_a_long_scan_is_kept_when_it_is_stopped(shards, monkeypatch):
    monkeypatch.setattr(shard_index, '_STORE_EVERY', 0.0)

    def scan(path):
        if path.name == 'b.txt':
            raise KeyboardInterrupt
        return Scanner()(path)

    with pytest.raises(KeyboardInterrupt):
        index_shards(
            shards.root,
            ['a.txt', 'b.txt'],
            scan,
            kind='text',
            patterns=PATTERNS,
        )
    assert shards() == (BOTH, ['b.txt'])


def test_a_stopped_scan_keeps_what_the_index_had(shards, monkeypatch):
    monkeypatch.setattr(shard_index, '_STORE_EVERY', 0.0)
    names = ['new.txt', 'stop.txt', 'a.txt', 'b.txt']
    shards()
    for name in names[:2]:
        (shards.root / name).write_text('gnu')

    def scan(path):
        if path.name == 'stop.txt':
            raise KeyboardInterrupt
        return Scanner()(path)

    with pytest.raises(KeyboardInterrupt):
        index_shards(shards.root, names, scan, kind='text', patterns=PATTERNS)
    assert shards(names=names)[1] == ['stop.txt']
