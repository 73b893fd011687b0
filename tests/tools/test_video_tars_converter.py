import json
import runpy
import sys
import tarfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from slotkd.datasets import (
    CocoImageDataset,
    VideoFolderDataset,
    VideoTarDataset,
    YTVISDataset,
)
from tests import ytvis_files

CONFIG = """
default_scope = 'slotkd'
train_dataloader = dict(dataset=dict(
    type='{type}', data_root={root!r}, clip_len=2, with_masks=False,
    pipeline=[dict(type='PackVideoInputs')], {options}))
"""
YTVIS = "ann_file='train.json', frames_dir='frames'"


@pytest.fixture
def convert(repo, tmp_path, monkeypatch, capsys):
    """Return a function that runs the tool: exit code, output, errors."""

    def run(*arguments, type='YTVISDataset', options=YTVIS):
        config = CONFIG.format(type=type, root=str(tmp_path), options=options)
        if type != 'YTVISDataset':
            config = config.replace('clip_len=2, with_masks=False,', '')
        (tmp_path / 'config.py').write_text(config, encoding='utf-8')
        argv = ['video_tars.py', tmp_path / 'config.py', '--out']
        argv += [tmp_path / 'out', '--name', 'set', *arguments]
        monkeypatch.setattr(sys, 'argv', [str(a) for a in argv])
        code = 0
        path = repo / 'tools' / 'dataset_converters' / 'video_tars.py'
        try:
            runpy.run_path(str(path), run_name='__main__')
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def write_ytvis(tmp_path):
    def write(lengths=None):
        content = ytvis_files.ytvis(lengths or {7: 4, 3: 2, 11: 3})
        content['annotations'][0]['iscrowd'] = 1
        ytvis_files.write_json(tmp_path / 'train.json', content)
        ytvis_files.write_frames(tmp_path / 'frames', content)
        return YTVISDataset(
            tmp_path, ann_file='train.json', frames_dir='frames'
        )

    return write


def assert_same(first, second):
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert one['video_id'] == other['video_id']
        np.testing.assert_array_equal(one['img'], other['img'])
        np.testing.assert_array_equal(one['gt_seg_map'], other['gt_seg_map'])


SMALL = ('--videos-per-shard', '2')


def test_ytvis_as_channels_of_categories(convert, write_ytvis, tmp_path):
    dataset = write_ytvis()
    code, text, errors = convert('--masks', 'channels', *SMALL)
    assert code == 0, errors
    assert '3 videos in 2 archives, 0 of them kept' in text
    assert '3/3' in errors
    tars = VideoTarDataset(tmp_path / 'out', mask_format='channels')
    assert_same(tars, dataset)
    content = json.loads((tmp_path / 'out' / 'set.json').read_text())
    assert content['masks'] == 'channels'
    assert content['num_videos'] == 3
    assert [list(s['videos']) for s in content['shards'].values()] == [
        ['3', '7'],
        ['11'],
    ]
    stored = _segmentations(tmp_path / 'out' / 'set-000000.tar')
    # The first instance of video 7 is a crowd; the second has category 4.
    assert stored['7'].shape == (4, 24, 32, 1)
    assert np.unique(stored['7']).tolist() == [0, 4]
    assert not stored['7'][1].any()
    assert stored['3'].shape == (2, 24, 32, 2)
    assert stored['3'][..., 0].max() == 30


def _segmentations(path):
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            if 'segmentations' in member.name:
                data = tar.extractfile(member).read()
                found[member.name.partition('.')[0]] = np.load(BytesIO(data))
    return found


def test_a_second_run_keeps_what_is_whole(convert, write_ytvis, tmp_path):
    write_ytvis()
    convert('--masks', 'channels', *SMALL)
    out = tmp_path / 'out'
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    code, text, _ = convert('--masks', 'channels', *SMALL)
    assert code == 0 and '2 of them kept' in text
    (out / 'set-000001.tar').unlink()
    code, text, _ = convert('--masks', 'channels', *SMALL)
    assert code == 0 and '1 of them kept' in text
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    code, _, errors = convert('--masks', 'labels', *SMALL)
    assert (code, errors.count('\n')) == (2, 1)
    assert "made with masks='channels', now it is 'labels'" in errors


def test_a_run_that_was_stopped_goes_on(convert, write_ytvis, tmp_path):
    write_ytvis()
    frame = tmp_path / 'frames' / 'clip11' / '00005.jpg'
    intact = frame.read_bytes()
    frame.write_bytes(b'no image')
    code, _, errors = convert(*SMALL)
    assert code == 2
    assert '00005.jpg is no image' in errors
    names = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert names == ['set-000000.tar', 'set.json']
    frame.write_bytes(intact)
    code, text, _ = convert(*SMALL)
    assert code == 0 and '1 of them kept' in text


def test_short_side_without_masks(convert, write_ytvis, tmp_path):
    write_ytvis()
    code, _, _ = convert('--masks', 'none', '--short-side', '12')
    assert code == 0
    tars = VideoTarDataset(tmp_path / 'out', with_masks=False)
    assert tars[0]['ori_shape'] == (12, 16)
    content = json.loads((tmp_path / 'out' / 'set.json').read_text())
    assert content['short_side'] == 12
    assert content['interpolation'] == 'bicubic'


DAVIS = dict(
    frames_dir='JPEGImages/480p',
    masks_dir='Annotations/480p',
    split='ImageSets/2017/train.txt',
)


def test_davis_as_labels(convert, tmp_path):
    first, second = ytvis_files.disjoint(3)
    labels = (first + 2 * second).astype(np.uint8)
    labels[0, 0, 0] = 255  # void
    for name in ('bär', 'boat'):
        for t, mask in enumerate(labels):
            frame = np.full((24, 32, 3), 50 * t, np.uint8)
            for folder, image in ((0, frame), (1, mask)):
                kind = ('JPEGImages', 'Annotations')[folder]
                ending = ('jpg', 'png')[folder]
                path = tmp_path / kind / '480p' / name / f'{t:05d}.{ending}'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path)
    split = tmp_path / DAVIS['split']
    split.parent.mkdir(parents=True)
    split.write_text('bär\nboat\n', encoding='utf-8')
    options = ', '.join(f'{k}={v!r}' for k, v in DAVIS.items())
    code, _, errors = convert(type='VideoFolderDataset', options=options)
    assert code == 0, errors
    assert_same(
        VideoTarDataset(tmp_path / 'out'),
        VideoFolderDataset(tmp_path, **DAVIS),
    )
    code, _, errors = convert(
        '--masks', 'channels', type='VideoFolderDataset', options=options
    )
    assert code == 2 and 'has no categories; use --masks labels' in errors


def test_coco_as_clips_of_one_frame(convert, tmp_path):
    content = ytvis_files.coco(3)
    ytvis_files.write_json(tmp_path / 'coco.json', content)
    ytvis_files.write_frames(tmp_path / 'val2017', content)
    options = dict(ann_file='coco.json', frames_dir='val2017')
    code, _, errors = convert(
        '--masks',
        'channels',
        type='CocoImageDataset',
        options=', '.join(f'{k}={v!r}' for k, v in options.items()),
    )
    assert code == 0, errors
    assert_same(
        VideoTarDataset(tmp_path / 'out', mask_format='channels'),
        CocoImageDataset(tmp_path, **options),
    )


def test_wrong_input_is_one_line(convert, write_ytvis):
    write_ytvis()
    for arguments, message in (
        (('--videos-per-shard', '0'), '--videos-per-shard must be 1'),
        (('--split', 'val'), 'has no val_dataloader'),
        (('--masks', 'boxes'), 'boxes'),
    ):
        code, _, errors = convert(*arguments)
        assert (code, errors.count('\n')) == (2, 1)
        assert message in errors
    code, _, errors = convert(options=YTVIS + ', crowds=1')
    assert (code, errors.count('\n')) == (2, 1)
    assert "takes no argument 'crowds'" in errors
