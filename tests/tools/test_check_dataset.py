import runpy
import sys

import pytest

from tests import ytvis_files

CONFIG = """
root = {root!r}
vis_dataset = dict(
    type='YTVISDataset', data_root=root, ann_file='train.json',
    frames_dir='frames', {options})
train_dataloader = dict(
    dataset=dict(vis_dataset, clip_len=2, with_masks=False))
val_dataloader = dict(dataset=vis_dataset)
test_dataloader = val_dataloader
"""


@pytest.fixture
def tool(repo, tmp_path, monkeypatch, capsys):
    """Return a function that runs the tool: exit code, output, errors."""
    content = ytvis_files.ytvis({3: 4, 7: 5})
    ytvis_files.write_json(tmp_path / 'train.json', content)
    ytvis_files.write_frames(tmp_path / 'frames', content)

    def run(*arguments, options=''):
        config = tmp_path / 'config.py'
        config.write_text(CONFIG.format(root=str(tmp_path), options=options))
        command = ['check_dataset.py', str(config), *arguments]
        monkeypatch.setattr(sys, 'argv', command)
        code = 0
        try:
            runpy.run_path(
                str(repo / 'tools' / 'check_dataset.py'), run_name='__main__'
            )
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


def test_what_is_there_is_counted(tool):
    code, text, errors = tool('--frames')
    assert code == 0
    assert text.splitlines()[:4] == [
        'train: YTVISDataset',
        '  videos         2 with 9 frames (4 to 5 each), 2 items',
        '  frame sizes    24x32 in 2',
        '  labels         not read',
    ]
    assert 'val and test: YTVISDataset' in text
    assert 'ids 1 to 2, at most 2 in a video, 2 classes' in text
    assert '9, 0 without object; void in 0 videos' in text
    assert '4/4' in errors  # one bar for both data sets


def test_one_split_and_first_frames(tool):
    code, text, errors = tool('--split', 'test')
    assert code == 0
    assert text.startswith('test: YTVISDataset\n')
    assert 'read           2 of 9 frames' in text
    assert '2/2' in errors


def test_every_missing_video_and_bad_file_is_named(tool, tmp_path):
    (tmp_path / 'frames' / 'clip3' / '00005.jpg').unlink()
    (tmp_path / 'frames' / 'clip7' / '00010.jpg').write_bytes(b'no image')
    code, text, _ = tool('--split', 'val', '--frames')
    assert code == 1
    assert 'unreadable     2' in text
    assert 'lists video 3, of which 1 of 4 frames are missing' in text
    assert '00010.jpg is no image' in text
    code, text, _ = tool('--split', 'val', options='skip_missing=True')
    assert code == 0
    assert 'left out       1\n    ' in text


def test_wrong_input_ends_with_code_2_and_one_line(tool, tmp_path):
    for path in (tmp_path / 'frames').rglob('*.jpg'):
        path.unlink()
    code, text, errors = tool(options='skip_missing=True')
    assert (code, text.count('lists video')) == (2, 2)
    assert errors.count('\n') == 1
    assert 'all 2 videos are missing' in errors
    for options, message in (
        ("crowds='void'", "no argument 'crowds'"),
        ('video_range=(-5, None)', 'reaches beyond the 2 videos'),
    ):
        code, text, errors = tool(options=options)
        assert (code, text, errors.count('\n')) == (2, '', 1)
        assert message in errors
    code, _, errors = tool('--split', 'all')
    assert (code, errors.count('\n')) == (2, 1)
    code, text, errors = tool()
    assert (code, text.count('lists video')) == (2, 2)
    assert errors == 'error: none of 2 videos can be read\n'
    (tmp_path / 'train.json').unlink()
    code, _, errors = tool()
    assert code == 2
    assert 'train.json not found' in errors
