"""The converter to mmdet's form: annotated files, official ones, errors."""

import json
from pathlib import Path

import pytest

from tests.scripts import run_here
from tests.vis_files import write_squares

TOOL = (
    Path(__file__).resolve().parents[2]
    / 'tools/dataset_converters/ytvis_frames.py'
)


def test_writes_beside_the_source(tmp_path, monkeypatch, capsys):
    path = write_squares(tmp_path, [[1, 2], [3]], absent=((0, 1, 2),))
    run_here(monkeypatch, TOOL, path, cwd=tmp_path)
    out = tmp_path / 'train_frames.json'
    told = capsys.readouterr().out
    assert told == f'{out}: 2 videos, 12 frames, 17 masks\n'
    first = out.read_bytes()
    run_here(monkeypatch, TOOL, path, cwd=tmp_path)
    assert out.read_bytes() == first


def test_official_files_without_annotations(tmp_path, monkeypatch):
    path = write_squares(tmp_path, [[1], [2]])
    content = json.loads(path.read_text())
    content['annotations'] = None
    path.write_text(json.dumps(content))
    out = tmp_path / 'other.json'
    run_here(monkeypatch, TOOL, path, '--out', out, cwd=tmp_path)
    frames = json.loads(out.read_text())
    assert len(frames['images']) == 12 and frames['annotations'] == []


def test_says_in_one_line_what_is_wrong(tmp_path, monkeypatch, capsys):
    path = write_squares(tmp_path, [[1]])
    content = json.loads(path.read_text())
    content['annotations'][0]['id'] = 0
    path.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match='2'):
        run_here(monkeypatch, TOOL, path, cwd=tmp_path)
    told = capsys.readouterr().err
    assert told.startswith(f'error: {path}: annotation id must be')
    assert not (tmp_path / 'train_frames.json').exists()
    with pytest.raises(SystemExit, match='2'):
        run_here(monkeypatch, TOOL, 'none.json', cwd=tmp_path)
