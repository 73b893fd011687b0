import pytest
import torch

from slotkd.models.backbones import PatchPixels, patch_pixels
from slotkd.registry import MODELS


def test_each_cell_holds_its_own_mean_colour():
    images = torch.randn(2, 3, 8, 12)
    features = patch_pixels(images, 4, cells=2)
    assert features.shape == (2, 12, 2, 3)
    # patch (1, 2), cell (0, 1): rows 4-5, columns 10-11
    expected = images[:, :, 4:6, 10:12].mean(dim=(2, 3))
    torch.testing.assert_close(features[:, 3:6, 1, 2], expected)


def test_one_cell_equals_the_mean_of_its_sub_cells():
    images = torch.randn(1, 3, 8, 8)
    fine = patch_pixels(images, 8, cells=4).reshape(1, 16, 3, 1, 1)
    torch.testing.assert_close(
        fine.mean(dim=1), patch_pixels(images, 8, cells=1)
    )


def test_module_has_no_state_and_says_its_width():
    module = MODELS.build(dict(type='PatchPixels', patch_size=4, cells=2))
    assert module.frozen
    assert module.feat_dim == 12
    assert not module.state_dict()
    assert module(torch.zeros(1, 3, 8, 8)).shape == (1, 12, 2, 2)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match='patch_size=4 .* cells=3'):
        PatchPixels(4, 3)
    with pytest.raises(ValueError, match='10x8 is no multiple of patch_size'):
        PatchPixels(4)(torch.zeros(1, 3, 10, 8))
