"""Frames of clips: ascending, distinct, marked; mmdet's form."""

import numpy as np
import pytest
from mmdet.datasets.transforms import UniformRefFrameSample

from slotkd.datasets.clip_frame_sample import ClipFrameSample, draw_frames


def video(length=9):
    return dict(
        video_id=4,
        video_length=length,
        images=[dict(img_id=10 + t, frame_id=t) for t in range(length)],
    )


@pytest.mark.parametrize('seed', range(5))
def test_frames_are_distinct_and_ascend(seed):
    rng = np.random.default_rng(seed)
    frames = draw_frames(rng, 9, 6)
    assert (np.diff(frames) > 0).all() and 0 <= frames[0] and frames[-1] < 9


def test_every_frame_is_drawn_in_the_long_run():
    rng = np.random.default_rng(0)
    drawn = np.concatenate([draw_frames(rng, 9, 3) for _ in range(200)])
    counts = np.bincount(drawn, minlength=9)
    assert counts.min() > 40


def test_a_window_bounds_the_distance():
    rng = np.random.default_rng(0)
    spans = [np.ptp(draw_frames(rng, 50, 3, window=4)) for _ in range(100)]
    assert max(spans) <= 8 and max(spans) > 4


def test_short_videos_repeat_frames():
    rng = np.random.default_rng(0)
    for _ in range(20):
        counts = np.bincount(draw_frames(rng, 3, 5), minlength=3)
        assert counts.min() >= 1 and counts.max() <= 2
    assert draw_frames(rng, 1, 4).tolist() == [0, 0, 0, 0]


def test_a_clip_has_the_form_of_mmdets_samplers():
    np.random.seed(0)
    ours = ClipFrameSample(4, 2)(video())
    theirs = UniformRefFrameSample(num_ref_imgs=3)(video())
    assert set(ours) == set(theirs)
    assert all(len(values) == 4 for values in ours.values())
    assert ours['video_length'] == [4] * 4 == theirs['video_length']
    assert ours['ori_video_length'] == [9] * 4
    assert [10 + t for t in ours['frame_id']] == ours['img_id']
    assert sum(ours['key_frame_flags']) == 2


def test_all_frames_are_marked_without_a_number():
    assert ClipFrameSample(3)(video())['key_frame_flags'] == [True] * 3


def test_the_videos_entries_are_not_written_to():
    given = video()
    ClipFrameSample(4, 2)(given)
    assert set(given['images'][0]) == {'img_id', 'frame_id'}


def test_one_seed_one_clip():
    clips = []
    for _ in range(2):
        np.random.seed(5)
        clips.append(ClipFrameSample(4, 2)(video()))
    assert clips[0] == clips[1]


def test_refuses_numbers_that_do_not_fit():
    with pytest.raises(ValueError, match='got 7, 6 and None'):
        ClipFrameSample(6, 7)
    with pytest.raises(ValueError, match='got 2, 6 and 0'):
        ClipFrameSample(6, 2, window=0)
