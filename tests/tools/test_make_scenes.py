import runpy
import sys

import numpy as np
import pytest


@pytest.fixture
def make(repo, tmp_path, monkeypatch, capsys):
    """Return a function that runs the tool: exit code, output, errors."""

    def run(*arguments):
        argv = ['make_scenes.py', str(tmp_path / 'out'), *arguments]
        monkeypatch.setattr(sys, 'argv', argv)
        code = 0
        try:
            path = repo / 'tools' / 'make_scenes.py'
            runpy.run_path(str(path), run_name='__main__')
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


TINY = '--level a --frames 2 --size 24 --workers 1'.split()


def test_videos_are_made_once(make, tmp_path):
    code, text, errors = make(*TINY, '--videos', '2', '--split', 'val')
    assert code == 0 and '2/2' in errors
    assert text.endswith('out: 2 videos, 0 of them kept\n')
    with np.load(tmp_path / 'out' / 'validation_000001.npz') as archive:
        assert archive['video'].shape == (2, 24, 24, 3)
        assert archive['depth'].shape == (2, 24, 24, 1)
    code, text, errors = make(*TINY, '--videos', '2', '--split', 'val')
    assert (code, errors) == (0, '')
    assert text.endswith('out: 2 videos, 2 of them kept\n')


def test_maps_can_be_left_out(make, tmp_path):
    assert make(*TINY, '--videos', '1', '--no-maps')[0] == 0
    with np.load(tmp_path / 'out' / 'train_000000.npz') as archive:
        assert set(archive) == {'video', 'segmentations'}


@pytest.mark.parametrize(
    ('arguments', 'named'),
    [
        ((*TINY, '--videos', '0'), 'videos=0'),
        ((*TINY, '--videos', '1', '--frames', '0'), 'frames=0'),
        ((*TINY, '--videos', '1', '--size', '4'), 'size=4'),
        ((*TINY, '--videos', '1', '--seed', '-1'), 'seed=-1'),
        ((*TINY, '--videos', '1', '--workers', '0'), 'workers=0'),
        ((*TINY, '--videos', '1', '--level', 'b'), '--level'),
        ((*TINY, '--videos', '1', '--layout', 'zip'), '--layout'),
        ((*TINY, '--videos', 'x'), '--videos'),
        (TINY, '--videos'),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(
    make, tmp_path, arguments, named
):
    code, text, errors = make(*arguments)
    assert (code, text) == (2, '')
    assert errors.count('\n') == 1 and named in errors
    assert not (tmp_path / 'out').exists()


def test_missing_pybullet_is_one_line(make, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pybullet', None)
    code, _, errors = make(*TINY, '--videos', '1')
    assert code == 2 and errors.count('\n') == 1
    assert 'pip install "slotkd[scenes]"' in errors
