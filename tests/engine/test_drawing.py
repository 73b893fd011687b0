import io

import numpy as np
import pytest
from PIL import Image

from slotkd.engine.drawing import (
    contact_sheet,
    display_shape,
    draw_labels,
    encode_label_png,
    outlines,
    resize_frame,
    resize_labels,
    slot_colors,
    voc_palette,
)


def grey(height: int, width: int, level: int = 100) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_davis_annotations_have_these_colors(shared):
    folder = shared / 'data' / 'davis_mini' / 'Annotations' / '480p' / 'bear'
    with Image.open(folder / '00000.png') as image:
        theirs = np.array(image.getpalette()).reshape(-1, 3)
        used = np.unique(np.array(image))
    np.testing.assert_array_equal(voc_palette()[used], theirs[used])


def test_voc_palette_begins_as_published():
    np.testing.assert_array_equal(
        voc_palette()[[0, 1, 2, 3, 8, 15, 255]],
        [
            (0, 0, 0),
            (128, 0, 0),
            (0, 128, 0),
            (128, 128, 0),
            (64, 0, 0),
            (192, 128, 128),
            (224, 224, 192),
        ],
    )


@pytest.mark.parametrize('count', [0, 1, 7, 30])
def test_slot_colors_differ_and_do_not_depend_on_the_number(count):
    colors = slot_colors(count)
    assert colors.shape == (count, 3)
    assert len(np.unique(colors, axis=0)) == count
    np.testing.assert_array_equal(colors, slot_colors(200)[:count])


@pytest.mark.parametrize('shape', [(1, 1), (5, 7), (3, 200)])
def test_label_png_keeps_every_label(shape):
    labels = np.random.default_rng(0).integers(0, 256, shape)
    with Image.open(io.BytesIO(encode_label_png(labels))) as image:
        assert image.mode == 'P'
        assert len(image.getpalette()) == 768
        np.testing.assert_array_equal(np.array(image), labels)


@pytest.mark.parametrize('label', [-1, 256])
def test_label_png_refuses_what_8_bits_cannot_hold(label):
    with pytest.raises(ValueError, match=f'0 to 255, got .*{label}'):
        encode_label_png(np.array([[7, label]]))


def test_outlines_are_one_pixel_wide():
    labels = np.zeros((6, 8), np.int64)
    labels[2:5, 3:7] = 2
    expected = np.zeros((6, 8), bool)
    expected[2:5, 3:7] = True
    expected[3, 4:6] = False
    np.testing.assert_array_equal(outlines(labels), expected)
    assert not outlines(np.full((4, 4), 3)).any()


def test_one_slot_has_one_hue_on_any_image():
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3))
    labels = np.full((20, 20), 1)
    drawn = draw_labels(image.astype(np.uint8), labels, opacity=1.0)
    assert (drawn == slot_colors(2)[1]).all()
    half = draw_labels(grey(4, 4), np.full((4, 4), 1), opacity=0.5)
    expected = np.rint(50 + slot_colors(2)[1] / 2)
    np.testing.assert_array_equal(half[1, 1], expected)


def test_clear_labels_leave_the_image_and_void_dims_it():
    image = np.random.default_rng(0).integers(1, 256, (6, 9, 3))
    image = image.astype(np.uint8)
    labels = np.zeros((6, 9), np.int64)
    labels[:, 3:6], labels[:, 6:] = 4, 255
    before = image.copy()
    drawn = draw_labels(image, labels, clear=(0,))
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(drawn[:, :3], image[:, :3])
    assert (drawn[:, 3:6] != image[:, 3:6]).any()
    assert drawn[:, 6:].max() <= round(0.3 * 255)


def test_labels_of_16_bits_are_drawn():
    labels = np.array([[0, 300, 70_000]], np.int32)
    drawn = draw_labels(grey(1, 3), labels, opacity=1.0)
    np.testing.assert_array_equal(drawn[0, 0], slot_colors(1)[0])
    assert len(np.unique(drawn[0], axis=0)) == 3


def test_small_frames_grow_by_whole_factors():
    assert display_shape((32, 32), 256) == (256, 256)
    assert display_shape((24, 100), 256) == (48, 200)
    assert display_shape((480, 854), 256) == (144, 256)
    assert display_shape((96, 160), 256) == (154, 256)
    assert display_shape((1, 3000), 256) == (1, 256)


@pytest.mark.parametrize('shape', [(10, 14), (5, 7), (3, 20)])
def test_resizing_invents_no_label(shape):
    labels = np.random.default_rng(0).choice([0, 9, 255], (5, 7))
    resized = resize_labels(labels, shape)
    assert resized.shape == shape
    assert set(np.unique(resized)) <= {0, 9, 255}
    np.testing.assert_array_equal(resize_labels(labels, (5, 7)), labels)
    assert (resize_frame(grey(5, 7), shape) == grey(*shape)).all()


def test_whole_factors_repeat_pixels():
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 3))
    image = image.astype(np.uint8)
    expected = image.repeat(5, 0).repeat(5, 1)
    np.testing.assert_array_equal(resize_frame(image, (15, 20)), expected)


def test_sheet_holds_every_panel_unchanged():
    panels = [
        [grey(40, 60, 10 * (3 * r + c)) for c in range(3)] for r in (0, 1)
    ]
    sheet = contact_sheet(
        panels, columns=['frame', 'été', '网络'], rows=['0', '12'], title='x'
    )
    for level in range(0, 60, 10):
        places = np.argwhere((sheet == level).all(-1))
        rows, columns = np.ptp(places, axis=0) + 1
        assert (rows, columns) >= (40, 60)
        assert len(places) >= 40 * 60
    assert sheet.shape[0] > 80 and sheet.shape[1] > 180


def test_sheet_refuses_panels_that_do_not_fit():
    panels = [[grey(4, 4), grey(4, 5)]]
    with pytest.raises(ValueError, match=r'sizes \[\(4, 4, 3\), \(4, 5, 3\)'):
        contact_sheet(panels, columns=['a', 'b'], rows=['0'])
    with pytest.raises(ValueError, match='1 rows and 3 columns'):
        contact_sheet([[grey(4, 4)] * 2], columns=['a', 'b', 'c'], rows=['0'])
    with pytest.raises(ValueError, match='2 rows and 1 columns'):
        contact_sheet([[grey(4, 4)]], columns=['a'], rows=['0', '1'])
