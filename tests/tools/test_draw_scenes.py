import runpy
import sys

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def draw(repo, monkeypatch, capsys):
    """Return a function that runs the tool: exit code and errors."""

    def run(*arguments):
        argv = ['draw_scenes.py', *map(str, arguments)]
        monkeypatch.setattr(sys, 'argv', argv)
        try:
            path = repo / 'tools' / 'draw_scenes.py'
            runpy.run_path(str(path), run_name='__main__')
        except SystemExit as stop:
            return int(stop.code or 0), capsys.readouterr().err
        return 0, capsys.readouterr().err

    return run


SMALL = ('--videos', '0', '--size', '32', '--columns', '3')


def test_strips_show_frames_and_masks(draw, tmp_path):
    path = tmp_path / 'a.png'
    assert draw('a', path, *SMALL) == (0, '')
    with Image.open(path) as image:
        sheet = np.array(image).astype(int)
    frames, masks = sheet[50:82, 40:72], sheet[88:120, 40:72]
    assert frames.std() > 5
    assert 0 < (np.abs(frames - masks).max(axis=-1) > 0).mean() < 0.9


@pytest.mark.parametrize(
    ('arguments', 'named'),
    [
        (('--columns', '0'), 'columns=0'),
        (('--videos', '-1'), 'videos=[-1]'),
        (('--size', '3'), 'size=3'),
    ],
)
def test_wrong_input_is_one_line(draw, tmp_path, arguments, named):
    code, errors = draw('a', tmp_path / 'a.png', *arguments)
    assert code == 2 and errors.count('\n') == 1 and named in errors
    assert list(tmp_path.iterdir()) == []
