import os
import threading

import pytest

from slotkd.atomic_file import write_atomically


def test_write_replaces_whole_files(tmp_path):
    path = tmp_path / 'new' / 'x.bin'
    write_atomically(b'long old content', path)
    write_atomically(b'new', path)
    assert path.read_bytes() == b'new'
    assert [p.name for p in path.parent.iterdir()] == ['x.bin']


def test_error_in_mid_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'x.pth'
    write_atomically(b'old', path)

    def fail(descriptor):
        raise OSError('disk full')

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(OSError, match='disk full'):
        write_atomically(b'new', path)
    assert path.read_bytes() == b'old'
    assert [p.name for p in tmp_path.iterdir()] == ['x.pth']


def test_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / 'x.bin'
    contents = [bytes([letter]) * 200_000 for letter in b'abcd']

    def write(data):
        for _ in range(5):
            write_atomically(data, path)

    threads = [threading.Thread(target=write, args=(c,)) for c in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            assert path.read_bytes() in contents
    assert path.read_bytes() in contents
    assert [p.name for p in tmp_path.iterdir()] == ['x.bin']
