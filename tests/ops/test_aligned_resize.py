"""Sizes at which cells of all strides lie on pixels."""

import pytest
import torch

from slotkd.ops.aligned_resize import aligned_size, resize_aligned


@pytest.mark.parametrize(
    ('size', 'expected'),
    [
        ((465, 465), (465, 465)),
        ((480, 854), (481, 849)),
        ((96, 96), (97, 97)),
        ((5, 300), (17, 305)),
    ],
)
def test_nearest_size_of_16_k_plus_1(size, expected):
    assert aligned_size(size) == expected


def test_corners_stay_on_corners():
    maps = torch.randn(1, 2, 5, 7)
    resized = resize_aligned(maps, (17, 25))
    # 4 pixels from cell to cell: every cell comes back.
    torch.testing.assert_close(resized[..., ::4, ::4], maps)


def test_the_same_size_is_not_touched():
    maps = torch.randn(1, 2, 5, 7)
    assert resize_aligned(maps, (5, 7)) is maps
