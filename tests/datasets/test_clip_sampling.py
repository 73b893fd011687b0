import numpy as np
import pytest

from slotkd.datasets.clip_sampling import (
    block_starts,
    check_clip_options,
    clip_span,
    draw_start,
)


@pytest.mark.parametrize(
    ('length', 'clip_len', 'stride', 'expected'),
    [
        (24, 4, 1, [0, 4, 8, 12, 16, 20]),
        (27, 4, 1, [0, 4, 8, 12, 16, 20]),
        (4, 4, 1, [0]),
        (3, 4, 1, []),
        (12, 3, 2, [0, 6]),
        (11, 3, 2, [0, 6]),  # 6, 8, 10: the last block needs no tail
        (10, 3, 2, [0]),
    ],
)
def test_blocks_start_at_multiples_and_drop_the_rest(
    length, clip_len, stride, expected
):
    assert list(block_starts(length, clip_len, stride)) == expected


def test_blocks_are_drawn_evenly():
    np.random.seed(0)
    draws = [
        draw_start(14, 4, frame_stride=1, clip_mode='blocks')
        for _ in range(600)
    ]
    starts, counts = np.unique(draws, return_counts=True)
    assert starts.tolist() == [0, 4, 8]
    assert counts.min() > 150


def test_random_clips_reach_both_ends_and_follow_the_seed():
    def draws(seed):
        np.random.seed(seed)
        return [
            draw_start(9, 3, frame_stride=2, clip_mode='random')
            for _ in range(100)
        ]

    assert set(draws(0)) == set(range(9 - clip_span(3, 2) + 1))
    assert draws(0) == draws(0) != draws(1)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match='clip_len=0 and frame_stride=1'):
        check_clip_options(0, 1, 'blocks')
    with pytest.raises(ValueError, match='clip_len=None and frame_stride=0'):
        check_clip_options(None, 0, 'blocks')
    with pytest.raises(ValueError, match="clip_mode='block' is not one of"):
        check_clip_options(4, 1, 'block')
