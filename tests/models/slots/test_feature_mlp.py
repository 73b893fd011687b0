"""The neck: sizes, initial biases, and that it knows no position."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from slotkd.models.slots import FeatureMLP
from slotkd.models.slots.feature_mlp import zero_biases


@pytest.mark.parametrize(
    ('hidden_dim', 'width'), [(None, 24), (24, 24), (5, 5)]
)
def test_widths(hidden_dim, width):
    module = FeatureMLP(12, 7, hidden_dim=hidden_dim)
    shapes = [tuple(p.shape) for p in module.parameters()]
    assert shapes == [(12,), (12,), (width, 12), (width,), (7, width), (7,)]
    assert (module.feat_dim, module.out_dim) == (12, 7)


def test_equals_its_formula():
    module = FeatureMLP(12, 7).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    gain, shift, w1, b1, w2, b2 = module.parameters()
    feats = torch.randn(2, 3, 5, 12, dtype=torch.float64)
    centred = feats - feats.mean(-1, keepdim=True)
    normed = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    hidden = F.relu((normed * gain + shift) @ w1.T + b1)
    torch.testing.assert_close(module(feats), hidden @ w2.T + b2)


def test_tokens_do_not_see_each_other_or_their_place():
    module = FeatureMLP(12, 7).double()
    feats = torch.randn(2, 6, 12, dtype=torch.float64)
    order = torch.randperm(6)
    torch.testing.assert_close(
        module(feats[:, order]), module(feats)[:, order]
    )
    torch.testing.assert_close(module(feats[1, 4]), module(feats)[1, 4])


def test_biases_start_at_zero_and_weights_do_not():
    module = FeatureMLP(12, 7)
    for layer in module.layers:
        if isinstance(layer, nn.Linear):
            assert not layer.bias.any() and layer.weight.all()


def test_zero_biases_reaches_nested_linear_layers_only():
    inner = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    module = nn.Sequential(inner, nn.Conv2d(1, 1, 1))
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    zero_biases(module)
    ones = [bool(p.all()) for p in module.parameters()]
    assert ones == [True, False, True, True, True, True]
