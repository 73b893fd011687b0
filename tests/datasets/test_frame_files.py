import numpy as np
import pytest
from PIL import Image

from slotkd.datasets import list_images, read_frame, read_mask
from slotkd.datasets.frame_files import EncodedImage, image_shape

LABELS = np.array([[0, 1, 2], [255, 3, 0]], np.uint8)


def save(path, array, mode=None):
    image = Image.fromarray(array)
    if mode == 'P':
        image.putpalette(list(range(256)) * 3)
    elif mode is not None:
        image = image.convert(mode)
    image.save(path)
    return path


@pytest.mark.parametrize('mode', ['P', 'L', 'LA'])
def test_labels_are_read_as_stored(tmp_path, mode):
    path = save(tmp_path / 'mask.png', LABELS, mode)
    with Image.open(path) as image:
        assert image.mode == mode
    mask = read_mask(path)
    np.testing.assert_array_equal(mask, LABELS)
    assert mask.dtype == np.uint8


def test_deep_and_binary_masks_are_read(tmp_path):
    deep = np.array([[0, 1], [254, 7]], np.uint16)
    mask = read_mask(save(tmp_path / 'deep.png', deep))
    np.testing.assert_array_equal(mask, deep)
    assert mask.dtype == np.uint8
    bits = read_mask(save(tmp_path / 'bits.png', LABELS > 1, '1'))
    np.testing.assert_array_equal(bits, LABELS > 1)


@pytest.mark.parametrize('label', [255, 256, 65535])
def test_deep_masks_with_labels_beyond_8_bits_are_refused(tmp_path, label):
    deep = np.array([[0, label]], np.uint16)
    path = save(tmp_path / 'deep.png', deep)
    with pytest.raises(
        ValueError, match=f'deep.png has mode I;16 .* 0 to {label};.* to 254'
    ):
        read_mask(path)


def test_shape_from_the_header(tmp_path):
    path = save(tmp_path / 'mask.png', LABELS)
    assert image_shape(path) == (2, 3)
    path.write_bytes(path.read_bytes()[:60])  # the pixels are cut off
    assert image_shape(path) == (2, 3)
    with pytest.raises(ValueError, match='no.png does not exist'):
        image_shape(tmp_path / 'no.png')
    path.write_bytes(b'text')
    with pytest.raises(ValueError, match='mask.png cannot be read'):
        image_shape(path)


@pytest.mark.parametrize('mode', ['RGB', 'RGBA'])
def test_coloured_masks_are_refused(tmp_path, mode):
    path = save(tmp_path / 'mask.png', LABELS, mode)
    with pytest.raises(
        ValueError, match=f'mask.png has mode {mode}, .*palette'
    ):
        read_mask(path)


@pytest.mark.parametrize('mode', ['L', 'RGB', 'RGBA', 'CMYK'])
def test_frames_of_any_8_bit_mode_become_rgb(tmp_path, mode):
    suffix = '.jpg' if mode == 'CMYK' else '.png'
    path = save(
        tmp_path / f'frame{suffix}', np.full((4, 5), 90, np.uint8), mode
    )
    frame = read_frame(path)
    assert frame.shape == (4, 5, 3)
    assert np.abs(frame.astype(int) - 90).max() <= 2


def test_channel_order_is_rgb(tmp_path):
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    assert read_frame(save(tmp_path / 'a.png', red))[0, 0].tolist() == [
        200,
        0,
        0,
    ]


def test_deep_frames_are_refused(tmp_path):
    path = save(tmp_path / 'deep.png', np.zeros((2, 2), np.uint16))
    with pytest.raises(ValueError, match='deep.png has pixels of mode I;16'):
        read_frame(path)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_files_cut_short_are_named(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    path = save(tmp_path / f'frame{suffix}', noise.astype(np.uint8))
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(
        ValueError, match=f'frame{suffix} cannot be read: .*trunc'
    ):
        read_frame(path)


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(ValueError, match='mask .*no.png does not exist'):
        read_mask(tmp_path / 'no.png')
    for content in (b'', b'plain text'):
        (tmp_path / 'fake.jpg').write_bytes(content)
        with pytest.raises(ValueError, match='frame .*fake.jpg is no image'):
            read_frame(tmp_path / 'fake.jpg')


def test_images_are_listed_in_counting_order(tmp_path):
    for name in ('b10.jpg', 'b9.JPG', '.hidden.jpg', 'notes.txt', 'a.png'):
        (tmp_path / name).touch()
    names = [path.name for path in list_images(tmp_path)]
    assert names == ['a.png', 'b9.JPG', 'b10.jpg']


def test_images_inside_other_files(tmp_path):
    data = save(tmp_path / 'mask.png', LABELS).read_bytes()
    image = EncodedImage(data, 'a.tfrecord: record 3, mask 7')
    np.testing.assert_array_equal(read_mask(image), LABELS)
    np.testing.assert_array_equal(read_frame(image)[..., 0], LABELS)
    assert image_shape(image) == (2, 3)
    cut = EncodedImage(data[:50], image.name)
    for read in (read_mask, read_frame):
        with pytest.raises(ValueError, match='record 3, mask 7 cannot be rea'):
            read(cut)
    with pytest.raises(ValueError, match='frame here is no image'):
        read_frame(EncodedImage(b'text', 'here'))
