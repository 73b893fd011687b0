"""The small encoder gives maps at strides 4, 8 and 16."""

import pytest
import torch

from slotkd.models.backbones import ConvPyramid


@pytest.mark.parametrize('side', [97, 49])
def test_maps(side):
    pyramid = ConvPyramid((8, 16, 24, 32))
    maps = pyramid(torch.randn(2, 3, side, side))
    cells = [(side - 1) // stride + 1 for stride in (4, 8, 16)]
    assert [tuple(m.shape) for m in maps] == [
        (2, dim, n, n) for dim, n in zip((16, 24, 32), cells, strict=True)
    ]
    assert pyramid.feat_dims == (16, 24, 32)


@pytest.mark.parametrize('dims', [(8, 8, 8), (8, 8, 8, 12)])
def test_widths_must_fit_the_norms(dims):
    with pytest.raises(ValueError, match='four widths that 8 divides'):
        ConvPyramid(dims)
