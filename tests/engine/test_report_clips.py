import io

import numpy as np
import pytest
from PIL import Image

from slotkd.engine.drawing import slot_colors
from slotkd.engine.report_clips import (
    ReportClip,
    clip_figure,
    code_colours,
    encode_codes,
    match_colours,
    sprite,
    truth_codes,
)


def scene() -> np.ndarray:
    """Two objects, 1 and 7, of 16 and 12 pixels that move right."""
    true = np.zeros((2, 8, 12), dtype=np.int64)
    for t in range(2):
        true[t, 0:4, t : t + 4] = 1
        true[t, 5:8, 6 + t : 10 + t] = 7
    return true


def test_slots_in_any_order_get_the_colours_of_the_truth():
    true = scene()
    names = np.array([42, -3, 0, 0, 0, 0, 0, 5])
    codes = match_colours(names[true], true)
    assert np.array_equal(codes, truth_codes(true))
    assert set(np.unique(codes)) == {0, 1, 7}


def test_a_split_object_keeps_its_colour_for_the_larger_part():
    true = scene()
    labels = true.copy()
    labels[:, 0][labels[:, 0] == 1] = 9
    codes = match_colours(labels, true)
    assert np.all(codes[labels == 1] == 1)
    assert np.all(codes[labels == 9] == 1 + 64)


def test_two_objects_in_one_slot_show_one_colour():
    true = scene()
    labels = (true > 0).astype(np.int64)
    codes = match_colours(labels, true)
    assert set(np.unique(codes)) == {0, 1}


def test_slots_on_background_are_shades_of_background():
    true = scene()
    labels = true.copy()
    labels[:, 4] = 50
    labels[:, 0:2, 8:] = 51
    codes = match_colours(labels, true)
    assert {int(codes[labels == k][0]) for k in (50, 51)} == {64, 128}
    assert np.all(codes[labels == 0] == 0)


def test_a_sliver_is_no_object():
    true = scene()
    labels = np.zeros_like(true)
    labels[0, 0, 0] = 1
    codes = match_colours(labels, true)
    assert codes[0, 0, 0] == 1 + 64
    assert np.all(codes[labels == 0] == 0)


def test_void_counts_for_no_object():
    true = scene()
    true[true == 7] = 255
    labels = scene()
    codes = match_colours(labels, true)
    assert np.all(codes[labels == 1] == 1)
    assert np.all(truth_codes(true)[true == 255] == 255)
    everywhere = match_colours(labels, np.full_like(true, 255))
    assert np.all(everywhere % 64 == 0)


def test_more_labels_than_colours_wrap_without_touching_background():
    true = np.arange(254).reshape(1, 2, 127)
    codes = truth_codes(true)
    assert codes.ravel()[0] == 0
    assert codes.ravel()[1:].min() == 1 and codes.max() == 62
    assert np.array_equal(match_colours(true + 5, true), codes)


def test_colours_of_objects_are_those_of_the_project():
    colours = code_colours()
    assert np.array_equal(colours[1:13, :3], slot_colors(12))
    assert colours[0, 3] == 0
    shades = {tuple(colours[64 * s + 3]) for s in range(4)}
    assert len(shades) == 4
    assert all(shade[3] == 255 for shade in shades)
    greys = colours[[64, 128, 192]]
    assert len(set(greys[:, 3])) == 3 and np.all(greys[:, :3] == 128)


def test_pictures_decode_to_the_colours_of_their_codes():
    codes = np.array([[0, 1, 65], [128, 255, 62]], dtype=np.uint8)
    image = Image.open(io.BytesIO(encode_codes(codes))).convert('RGBA')
    assert np.array_equal(np.array(image), code_colours()[codes])


@pytest.mark.parametrize('tail', [(), (3,)])
def test_a_sprite_holds_frames_row_by_row(tail):
    frames = np.random.default_rng(0).integers(0, 256, (5, 2, 4, *tail))
    sheet = sprite(frames.astype(np.uint8))
    assert sheet.shape == (4, 12, *tail)
    for t, frame in enumerate(frames):
        y, x = 2 * (t // 3), 4 * (t % 3)
        assert np.array_equal(sheet[y : y + 2, x : x + 4], frame)


def test_columns_without_masks_are_left_out():
    true = scene()
    frames = np.zeros((*true.shape, 3), dtype=np.uint8)
    clip = ReportClip(
        video_id='a',
        frames=frames,
        labels={'ground truth': true, 'student': true},
        scores={'student': {'fg_ari': float('nan'), 'mbo': 1}},
    )
    html = clip_figure(clip)
    assert 'Masks of the student in a: FG-ARI undefined, mBO 1.000' in html
    assert html.count('class="panel"') == 3
    assert '2 frames, 2 objects' in html


def test_masks_that_do_not_fit_are_refused():
    true = scene()
    frames = np.zeros((*true.shape, 3), dtype=np.uint8)

    def clip(**labels):
        return ReportClip(video_id='a', frames=frames, labels=labels)

    with pytest.raises(ValueError, match="clip 'a' has no 'ground truth'"):
        clip(teacher=true)
    truth = {'ground truth': true}
    with pytest.raises(ValueError, match=r"'student' have shape \(1, 8, 12\)"):
        clip(**truth, student=true[:1])
    with pytest.raises(ValueError, match="'pupil', which is none of"):
        clip(**truth, pupil=true)
