import json
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from slotkd.apis import result_folder
from slotkd.apis.result_folder import (
    PARTIAL,
    ResultFolder,
    check_out_dir,
    pick_codec,
)
from slotkd.engine import draw_labels

FRAMES = np.full((3, 33, 51, 3), 120, np.uint8)
MASKS = np.zeros((3, 33, 51), np.uint8)
MASKS[0, :, 20:] = 1
MASKS[1, 5:] = 2
MASKS[2, :4] = 255


def write(folder, names=('a', 'b', 'c'), **summary):
    with ResultFolder(folder, Fraction(25)) as result:
        result.add(names, FRAMES[: len(names)], MASKS[: len(names)])
        return result.finish(summary)


def decode(path) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return np.stack([f.to_ndarray(format='rgb24') for f in frames])


def tree(folder) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*'))


def test_everything_is_written(tmp_path):
    summary = write(tmp_path / 'new' / 'out', frames=3)
    out = tmp_path / 'new' / 'out'
    files = ['masks/a.png', 'masks/b.png', 'masks/c.png']
    assert tree(out) == ['masks', *files, 'overlay.mp4', 'summary.json']
    assert json.loads((out / 'summary.json').read_text()) == summary
    assert summary['masks'] == files
    assert summary['frames'] == 3
    assert summary['overlay']['codec'] == pick_codec()
    for file, labels in zip(files, MASKS, strict=True):
        with Image.open(out / file) as image:
            assert image.mode == 'P'
            np.testing.assert_array_equal(np.array(image), labels)


def test_overlay_shows_every_frame_at_even_size(tmp_path):
    write(tmp_path)
    video = decode(tmp_path / 'overlay.mp4')
    assert video.shape == (3, 34, 52, 3)
    drawn = draw_labels(FRAMES[0], MASKS[0])
    # Away from edges: the encoder halves the resolution of colour.
    for x in (6, 40):
        near = video[0, 10:20, x - 4 : x + 4].astype(int)
        assert abs(near - drawn[15, x]).max() < 12
    with av.open(str(tmp_path / 'overlay.mp4')) as container:
        assert container.streams.video[0].average_rate == 25


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (7, 500)])
@pytest.mark.parametrize('codec', result_folder.CODECS)
def test_odd_sizes_are_encoded(tmp_path, monkeypatch, size, codec):
    monkeypatch.setattr(result_folder, 'pick_codec', lambda: codec)
    with ResultFolder(tmp_path, Fraction(30000, 1001)) as result:
        for _ in range(2):
            result.add(
                ['x'],
                np.full((1, *size, 3), 9, np.uint8),
                np.zeros((1, *size), np.uint8),
            )
        summary = result.finish({})
    assert summary['overlay']['codec'] == codec
    height, width = (side + side % 2 for side in size)
    assert decode(tmp_path / 'overlay.mp4').shape == (2, height, width, 3)


def test_an_earlier_result_is_replaced_as_a_whole(tmp_path):
    write(tmp_path)
    write(tmp_path, names=['z'])
    assert tree(tmp_path) == [
        'masks',
        'masks/z.png',
        'overlay.mp4',
        'summary.json',
    ]
    assert len(decode(tmp_path / 'overlay.mp4')) == 1


@pytest.mark.parametrize('earlier', [True, False])
def test_a_failed_run_leaves_things_as_they_were(tmp_path, earlier):
    out = tmp_path / 'out'
    if earlier:
        write(out)
    before = {name: (out / name).stat() for name in tree(out)}
    with pytest.raises(RuntimeError, match='stop'):
        with ResultFolder(out, Fraction(25)) as result:
            result.add(['q'], FRAMES[:1], MASKS[:1])
            raise RuntimeError('stop')
    assert out.exists() == earlier
    for name, stat in before.items():
        if not (out / name).is_dir():
            assert (out / name).stat() == stat
    assert tree(out) == sorted(before)


def test_a_failed_run_leaves_an_empty_folder_empty(tmp_path):
    with pytest.raises(RuntimeError, match='stop'):
        with ResultFolder(tmp_path, Fraction(25)):
            raise RuntimeError('stop')
    assert tree(tmp_path) == []


def test_what_a_killed_run_left_is_cleared(tmp_path):
    (tmp_path / PARTIAL / 'masks').mkdir(parents=True)
    (tmp_path / PARTIAL / 'masks' / 'old.png').write_text('x')
    write(tmp_path, names=['a'])
    assert tree(tmp_path) == [
        'masks',
        'masks/a.png',
        'overlay.mp4',
        'summary.json',
    ]


@pytest.mark.parametrize(
    ('name', 'named'),
    [
        ('my.txt', 'my.txt'),
        ('masks/notes.txt', 'masks/notes.txt'),
        ('masks/deep/a.png', 'masks/deep'),
        ('sub/overlay.mp4', 'sub'),
    ],
)
def test_results_do_not_mix_with_other_files(tmp_path, name, named):
    write(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('precious')
    with pytest.raises(ValueError, match=f"holds '{named}'"):
        write(tmp_path)
    assert (tmp_path / name).read_text() == 'precious'


def test_masks_without_summary_are_not_an_earlier_result(tmp_path):
    (tmp_path / 'masks').mkdir()
    (tmp_path / 'masks' / 'a.png').write_text('labels by hand')
    with pytest.raises(ValueError, match="holds 'masks'"):
        check_out_dir(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / 'out').write_text('x')
    with pytest.raises(ValueError, match='out is a file'):
        check_out_dir(tmp_path / 'out')
    check_out_dir(tmp_path / 'new')


def test_without_x264_the_other_codec_is_named(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(av, 'codecs_available', {'mpeg4'})
    summary = write(tmp_path)
    assert summary['overlay']['codec'] == 'mpeg4'
    out, err = capfd.readouterr()
    assert 'written with mpeg4' in out + err
    monkeypatch.setattr(av, 'codecs_available', {'gif'})
    with pytest.raises(RuntimeError, match='libx264, mpeg4'):
        pick_codec()


def flat(folder, names=('a', 'b', 'c')):
    with ResultFolder(
        folder, Fraction(25), is_flat=True, clear=(0,)
    ) as result:
        result.add(names, FRAMES[: len(names)], MASKS[: len(names)])
        return result.finish({})


def test_flat_results_lie_beside_the_overlay(tmp_path):
    summary = flat(tmp_path / 'bear')
    names = ['a.png', 'b.png', 'c.png']
    assert tree(tmp_path / 'bear') == [*names, 'overlay.mp4', 'summary.json']
    assert summary['masks'] == names
    flat(tmp_path / 'bear', ('a', 'd'))
    assert tree(tmp_path / 'bear')[:2] == ['a.png', 'd.png']
    assert len(tree(tmp_path / 'bear')) == 4


@pytest.mark.parametrize('strange', ['notes.txt', 'masks', '00000.jpg'])
def test_flat_results_do_not_mix_with_other_files(tmp_path, strange):
    flat(tmp_path / 'bear')
    (tmp_path / 'bear' / strange).mkdir()
    with pytest.raises(ValueError, match=f'holds {strange!r}'):
        flat(tmp_path / 'bear')


def test_images_alone_are_no_earlier_result(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'annotation')
    with pytest.raises(ValueError, match="holds 'a.png'"):
        flat(tmp_path)
