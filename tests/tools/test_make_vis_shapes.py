"""The tool that writes the quick data set."""

import json
from pathlib import Path

import pytest

from tests.scripts import run_here

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'make_vis_shapes.py'


def test_writes_both_forms_of_both_splits(tmp_path, monkeypatch, capsys):
    out = tmp_path / 'shapes'
    sizes = ('--train', 3, '--val', 2, '--frames', 3)
    run_here(monkeypatch, TOOL, out, *sizes, cwd=tmp_path)
    assert 'train: 3 videos' in capsys.readouterr().out
    for split, count in (('train', 3), ('val', 2)):
        videos = json.loads((out / f'{split}.json').read_text())['videos']
        frames = json.loads((out / f'{split}_frames.json').read_text())
        assert len(videos) == count
        assert len(frames['images']) == 3 * count
        for image in frames['images']:
            assert (out / 'frames' / image['file_name']).is_file()


def test_says_in_one_line_what_is_wrong(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit, match='2'):
        run_here(monkeypatch, TOOL, tmp_path, '--size', 16, cwd=tmp_path)
    told = capsys.readouterr().err
    assert told == 'error: --size must be at least 32, got 16\n'
