"""The converter of DAVIS: a made-up folder, a real one, errors."""

import json

import numpy as np
import pytest

from slotkd.datasets import VisClips
from tests import toy_configs
from tests.conftest import REPO
from tests.scripts import run_here

TOOL = REPO / 'tools/dataset_converters/davis_ytvis.py'


def write_davis(root):
    dataset = dict(
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations/480p',
        split='ImageSets/2017/train.txt',
    )
    toy_configs.write_folders(dataset, root, 40)


def test_writes_both_forms(tmp_path, monkeypatch, capsys):
    write_davis(tmp_path / 'davis')
    options = ('--out', tmp_path / 'out', '--splits', 'train')
    run_here(monkeypatch, TOOL, tmp_path / 'davis', *options, cwd=tmp_path)
    told = capsys.readouterr().out
    assert told == 'train: 2 videos, 4 tracks, 24 masks\n'
    clips = VisClips(
        str(tmp_path / 'out/train_frames.json'),
        str(tmp_path / 'davis/JPEGImages/480p'),
    )
    assert clips.metainfo['classes'] == ('object',) and len(clips) == 2
    for image in clips.videos.get_data_info(0)['images']:
        assert (tmp_path / image['img_path']).is_file()
    truth = json.loads((tmp_path / 'out/train.json').read_text())
    assert [len(a['areas']) for a in truth['annotations']] == [6] * 4


def test_says_in_one_line_what_is_wrong(tmp_path, monkeypatch, capsys):
    write_davis(tmp_path / 'davis')
    options = ('--out', tmp_path / 'out')
    with pytest.raises(SystemExit, match='2'):
        run_here(monkeypatch, TOOL, tmp_path / 'davis', *options, cwd=tmp_path)
    told = capsys.readouterr().err
    assert told.startswith('error: ') and 'val.txt not found' in told
    assert told.count('\n') == 1


@pytest.mark.data
def test_real_videos(shared, tmp_path, monkeypatch, capsys):
    source = shared / 'data' / 'davis_mini'
    options = ('--out', tmp_path, '--splits', 'val')
    run_here(monkeypatch, TOOL, source, *options, cwd=tmp_path)
    assert capsys.readouterr().out == 'val: 4 videos, 4 tracks, 80 masks\n'
    content = json.loads((tmp_path / 'val.json').read_text())
    areas = [area for a in content['annotations'] for area in a['areas']]
    assert np.min(areas) > 1000
