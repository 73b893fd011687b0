from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from slotkd.apis.frame_sources import open_source


def frames(length: int, height: int = 10, width: int = 14) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (length, height, width, 3)).astype(np.uint8)


def encode(path: Path, video: np.ndarray, codec: str = 'mpeg4') -> Path:
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width = video.shape[1:3]
        stream.pix_fmt = 'yuv420p'
        for image in video:
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read(source, size: int = 4) -> tuple[list[str], np.ndarray]:
    chunks = list(source.chunks(size))
    assert all(len(names) == len(part) <= size for names, part in chunks)
    names = [name for part, _ in chunks for name in part]
    return names, np.concatenate([part for _, part in chunks])


@pytest.mark.parametrize('size', [1, 3, 4, 100])
def test_folder_is_read_in_counting_order(tmp_path, size):
    video = frames(11)
    for index, image in enumerate(video):
        Image.fromarray(image).save(tmp_path / f'f_{index}.png')
    (tmp_path / 'notes.txt').write_text('no frame')
    (tmp_path / '.hidden.png').write_text('no frame')
    source = open_source(tmp_path)
    assert (source.kind, source.length) == ('frames', 11)
    assert source.name == tmp_path.name
    names, found = read(source, size)
    assert names == [f'f_{index}' for index in range(11)]
    np.testing.assert_array_equal(found, video)


def test_images_of_any_mode_become_rgb(tmp_path):
    image = Image.fromarray(frames(1)[0])
    for mode in ('RGBA', 'L', 'P', 'LA', '1'):
        image.convert(mode).save(tmp_path / f'{mode}.png')
        source = open_source(str(tmp_path / f'{mode}.png'))
        names, found = read(source)
        assert (source.kind, names) == ('image', [mode])
        assert found.shape == (1, 10, 14, 3)


@pytest.mark.parametrize(
    ('name', 'codec'),
    [('a.mp4', 'libx264'), ('a.MKV', 'mpeg4'), ('ä ö.avi', 'mpeg4')],
)
def test_video_file_is_read_to_its_end(tmp_path, name, codec):
    video = np.zeros((9, 32, 48, 3), np.uint8)
    video += (np.arange(9, dtype=np.uint8) * 20 + 20)[:, None, None, None]
    source = open_source(encode(tmp_path / name, video, codec))
    assert source.kind == 'video'
    assert source.rate == 25
    names, found = read(source)
    assert names == [f'{index:05d}' for index in range(9)]
    levels = found.mean((1, 2, 3))
    np.testing.assert_allclose(levels, video[:, 0, 0, 0], atol=4)


def test_phone_video_is_turned_upright(tmp_path):
    video = np.zeros((3, 32, 48, 3), np.uint8)
    video[:, :16, :24] = 255  # top left
    path = encode(tmp_path / 'a.mp4', video)
    data = path.read_bytes()
    one, none = (1 << 16).to_bytes(4, 'big'), bytes(4)
    minus = (-(1 << 16)).to_bytes(4, 'big', signed=True)
    end = (1 << 30).to_bytes(4, 'big')
    upright = one + none * 3 + one + none * 3 + end
    shift = (32 << 16).to_bytes(4, 'big')
    turned = none + one + none + minus + none * 2 + shift + none + end
    start = data.index(upright, data.index(b'tkhd'))
    path.write_bytes(data[:start] + turned + data[start + 36 :])
    _, found = read(open_source(path))
    assert found.shape == (3, 48, 32, 3)
    assert found[:, :20, 20:].min() > 200  # a quarter clockwise: top right
    assert found[:, :20, :12].max() < 50


def test_arrays_are_videos_or_images():
    video = frames(5)
    names, found = read(open_source(video))
    assert names == ['00000', '00001', '00002', '00003', '00004']
    np.testing.assert_array_equal(found, video)
    _, found = read(open_source(video[0]))
    np.testing.assert_array_equal(found, video[:1])


@pytest.mark.parametrize(
    ('array', 'text'),
    [
        (np.zeros((2, 4, 4, 3)), 'float64'),
        (np.zeros((2, 4, 4, 4), np.uint8), r'\(2, 4, 4, 4\)'),
        (np.zeros((4, 4), np.uint8), r'\(4, 4\)'),
        (np.zeros((0, 4, 4, 3), np.uint8), 'empty'),
    ],
)
def test_other_arrays_are_refused(array, text):
    with pytest.raises(ValueError, match=text):
        open_source(array)


def test_what_is_no_input_is_named(tmp_path):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'a.txt').write_text('text')
    (tmp_path / 'a.mp4').write_text('text')
    for name, text in (
        ('gone', 'gone does not exist'),
        ('empty', 'empty holds no image'),
        ('a.txt', 'a.txt is neither a folder'),
        ('a.mp4', 'a.mp4 cannot be read'),
    ):
        with pytest.raises(ValueError, match=text):
            open_source(tmp_path / name)


def test_frames_of_one_name_are_refused(tmp_path):
    for name in ('a.png', 'b.png', 'b.jpg'):
        Image.fromarray(frames(1)[0]).save(tmp_path / name)
    with pytest.raises(ValueError, match='b.jpg and b.png'):
        open_source(tmp_path)


def test_first_bad_frame_is_named(tmp_path):
    for index, image in enumerate(frames(4)):
        Image.fromarray(image).save(tmp_path / f'{index}.jpg')
    path = tmp_path / '2.jpg'
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match='2.jpg cannot be read'):
        read(open_source(tmp_path))
    Image.fromarray(frames(1, 8, 8)[0]).save(path)
    with pytest.raises(ValueError, match='frame 2 is 8x8.* is 10x14'):
        read(open_source(tmp_path))


def test_video_cut_short_is_an_error(tmp_path):
    video = np.random.default_rng(0).integers(0, 256, (30, 32, 48, 3))
    path = encode(tmp_path / 'a.avi', video.astype(np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    source = open_source(path)
    with pytest.raises(ValueError, match=r'a.avi is cut short .* of 30'):
        read(source)


def test_davis_sequence(shared):
    folder = shared / 'data' / 'davis_mini' / 'JPEGImages' / '480p' / 'bear'
    source = open_source(folder)
    names, part = next(source.chunks(2))
    assert (source.name, source.length) == ('bear', 20)
    assert names == ['00000', '00001']
    assert part.shape == (2, 480, 854, 3)
