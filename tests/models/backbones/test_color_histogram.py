"""Colour histograms: what they sum to, mix and refuse."""

import pytest
import torch

from slotkd.models.backbones import ColorHistogram


def plain(color, size=8):
    return torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, size, size)


def test_shares_sum_to_the_root_of_their_number():
    maps = ColorHistogram(4)(torch.rand(2, 3, 8, 12) * 2 - 1)
    assert maps.shape == (2, 27, 2, 3)
    torch.testing.assert_close(maps.sum(1), torch.full((2, 2, 3), 27**0.5))


def test_a_lattice_colour_fills_its_own_bin():
    backbone = ColorHistogram(4, num_bins=2, softness=0.1)
    maps = backbone(plain([1.0, -1.0, 1.0]))
    # cartesian order: red is the slowest channel.
    assert int(maps[0, :, 0, 0].argmax()) == 0b101
    assert float(maps[0, 0b101, 0, 0]) == pytest.approx(8**0.5, rel=1e-5)


def test_a_shared_patch_has_the_mixture():
    backbone = ColorHistogram(8)
    red, blue = plain([1.0, -1.0, -1.0]), plain([-1.0, -1.0, 1.0])
    shared = torch.cat([red[..., :6], blue[..., 6:]], dim=-1)
    mixture = 0.75 * backbone(red) + 0.25 * backbone(blue)
    torch.testing.assert_close(backbone(shared), mixture)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match='8x6 is no multiple of patch_size=4'):
        ColorHistogram(4)(torch.zeros(1, 3, 8, 6))
    with pytest.raises(ValueError, match='got 4, 1 and 0.3'):
        ColorHistogram(4, num_bins=1)
