import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from slotkd.datasets.tar_shards import (
    array_header,
    read_array_frames,
    scan_tar,
)
from tests.shards import members_of, movi_video, npy, write_tar

FIELDS = ('video', 'segmentations')


def scan(path):
    content = scan_tar(path, FIELDS)
    return {video['video_id']: video for video in content.videos}, content


@pytest.mark.parametrize('style', ['USTAR', 'GNU', 'PAX'])
def test_arrays_are_found_in_each_style_of_tar(tmp_path, style):
    movi = movi_video(0)
    members = [
        *members_of(
            '0', dict(movi, forward_flow=np.zeros((6, 2), np.float32))
        ),
        ('1.cls', b'4'),
        *members_of('böse Äpfel/猫', movi),
        *members_of('long' * 30 if style != 'USTAR' else 'short', movi),
    ]
    path = write_tar(
        tmp_path / 'ä.tar',
        members,
        format=getattr(tarfile, f'{style}_FORMAT'),
    )
    videos, content = scan(path)
    assert content.problem is None
    assert len(videos) == 3 and 'böse Äpfel/猫' in videos
    for video in videos.values():
        for field in FIELDS:
            assert array_header(video[field]).shape == movi[field].shape
            frames = read_array_frames(path, video[field], range(6))
            np.testing.assert_array_equal(frames, movi[field])


@pytest.mark.parametrize('dtype', ['|u1', '<u2', '>i4', '<f8', '|b1'])
@pytest.mark.parametrize('order', 'CF')
@pytest.mark.parametrize('shape', [(7, 4, 5, 3), (7, 4, 5, 0), (1, 2), (9,)])
def test_any_frames_equal_those_of_numpy_load(tmp_path, dtype, order, shape):
    rng = np.random.default_rng(len(shape))
    array = rng.integers(0, 100, shape).astype(dtype, order=order)
    content = npy(array)
    path = write_tar(
        tmp_path / 'a.tar', [('x', b'y'), ('k.video.npy', content)]
    )
    member = scan(path)[0]['k']['video']
    whole = np.load(io.BytesIO(content))
    for _ in range(5):
        ids = rng.integers(0, len(array), rng.integers(1, 9)).tolist()
        for index, frame in zip(
            ids, read_array_frames(path, member, ids), strict=True
        ):
            assert frame.dtype == whole.dtype
            np.testing.assert_array_equal(frame, whole[index])


def test_frames_are_read_and_nothing_else(tmp_path):
    counters = Path('/proc/self/io')
    if not counters.is_file():
        pytest.skip('this system does not count what a process reads')

    def bytes_read():
        return int(counters.read_text().split()[1])

    video = movi_video(0, length=100, height=64, width=64)
    path = write_tar(tmp_path / 'a.tar', members_of('0', video))
    start = bytes_read()
    member = scan(path)[0]['0']['video']
    scanned = bytes_read() - start
    frames = read_array_frames(path, member, [40, 41, 3])
    read = bytes_read() - start - scanned
    np.testing.assert_array_equal(frames, video['video'][[40, 41, 3]])
    assert scanned < 100_000 < path.stat().st_size
    assert 3 * 64 * 64 * 3 <= read < 100_000


def test_keys_and_fields_stay_apart(tmp_path):
    array = npy(np.zeros((2, 2, 2, 3), np.uint8))
    path = write_tar(
        tmp_path / 'a.tar',
        [
            ('a.segmentations.npy', array),
            ('b.video.npy', array),
            ('a.video.npy', array),
            ('b.video.npy', array),
            ('b.x.video.npy', array),
            ('b.video.npz', array),
        ],
    )
    videos, _ = scan(path)
    assert list(videos) == ['a', 'b', 'b.x']
    assert set(videos['a']) == {'video_id', *FIELDS}
    assert videos['b']['video'] == dict(problem='is there twice')


def whole_tar(tmp_path):
    members = [m for k in 'ab' for m in members_of(k, movi_video(3))]
    return write_tar(tmp_path / 'a.tar', members)


def test_tar_cut_inside_a_member(tmp_path):
    path = whole_tar(tmp_path)
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-1]
    path.write_bytes(path.read_bytes()[: last.offset_data + 700])
    videos, content = scan(path)
    assert videos['b']['video'] == dict(
        problem=f'is cut short: 700 of {last.size} bytes are there'
    )
    assert content.problem is None, 'one cause, one message'
    assert 'problem' not in videos['b']['segmentations']
    assert 'problem' not in videos['a']['video']


def test_tar_cut_inside_a_member_of_no_interest(tmp_path):
    members = [*members_of('a', movi_video(3)), ('a.flow', bytes(2000))]
    path = write_tar(tmp_path / 'a.tar', members)
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-1]
    path.write_bytes(path.read_bytes()[: last.offset_data + 700])
    videos, content = scan(path)
    assert 'unexpected end of data' in content.problem
    assert 'problem' not in videos['a']['video']


@pytest.mark.parametrize('extra', [0, 100])
def test_tar_cut_between_members(tmp_path, extra):
    """The standard library takes this for the end of the archive."""
    path = whole_tar(tmp_path)
    with tarfile.open(path) as tar:
        start = tar.getmembers()[2].offset
    path.write_bytes(path.read_bytes()[: start + extra])
    videos, content = scan(path)
    assert list(videos) == ['a']
    assert f'no end mark at byte {start}' in content.problem


def test_damaged_header_between_members(tmp_path):
    path = whole_tar(tmp_path)
    with tarfile.open(path) as tar:
        start = tar.getmembers()[2].offset
    data = bytearray(path.read_bytes())
    data[start + 20] ^= 255
    path.write_bytes(data)
    videos, content = scan(path)
    assert list(videos) == ['a']
    assert f'no member and no end mark at byte {start}' in content.problem


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (b'', 'is no readable tar archive: empty file'),
        (b'text' * 300, 'is no readable tar archive: '),
        (gzip.compress(bytes(2000)), 'is compressed; unpack it'),
    ],
    ids=['empty', 'text', 'gzip'],
)
def test_no_archive(tmp_path, content, text):
    path = tmp_path / 'a.tar'
    path.write_bytes(content)
    found = scan_tar(path, FIELDS)
    assert found.videos == [] and text in found.problem


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (b'', 'is no npy file'),
        (b'PK\3\4' + bytes(100), 'is no npy file: the magic string'),
        (npy(np.zeros((6, 4, 4, 3)))[:100], 'is no npy file'),
        (
            npy(np.zeros((6, 4, 4, 3), np.uint8))[:300],
            r'is damaged: uint8 (6, 4, 4, 3) takes 288 bytes, 172 are there',
        ),
        (npy(np.zeros(3, np.uint8)) + b'x', 'takes 3 bytes, 4 are there'),
        (
            npy(np.array([None, {}])),
            'holds Python objects (object), which are never unpickled',
        ),
    ],
)
def test_broken_members_are_described(tmp_path, content, text):
    good = npy(movi_video(0)['video'])
    path = write_tar(
        tmp_path / 'a.tar',
        [('a.video.npy', content), ('b.video.npy', good)],
    )
    videos, found = scan(path)
    assert text in videos['a']['video']['problem']
    assert 'problem' not in videos['b']['video']
    assert found.problem is None


def test_links_are_no_arrays(tmp_path):
    path = tmp_path / 'a.tar'
    with tarfile.open(path, 'w') as tar:
        info = tarfile.TarInfo('a.video.npy')
        info.type, info.linkname = tarfile.SYMTYPE, '/etc/passwd'
        tar.addfile(info)
    assert scan(path)[0]['a']['video'] == dict(problem='is no regular file')


def test_archive_that_shrank_after_indexing_is_named(tmp_path):
    path = whole_tar(tmp_path)
    member = scan(path)[0]['b']['video']
    path.write_bytes(path.read_bytes()[: member['offset'] + 10])
    with pytest.raises(ValueError, match='a.tar: 10 of 240 bytes are there'):
        read_array_frames(path, member, [0])
