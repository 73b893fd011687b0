"""Wrappers freeze at once what the wrapped backbone freezes."""

import torch
from torch import nn

from slotkd.models.backbones.wrapped_backbone import (
    WrappedBackbone,
    strides_of,
)


class Halves(nn.Module):
    """Two maps; the first convolution is frozen in training mode only."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 4, 1)
        self.second = nn.Conv2d(4, 5, 3, 2, 1)

    def train(self, mode=True):
        super().train(mode)
        if mode:
            self.first.requires_grad_(False)
        return self

    def forward(self, images):
        first = self.first(images)
        return first, self.second(first)


def test_frozen_stages_are_frozen_before_training():
    """Or an optimiser built before would own them."""
    inner = Halves()
    assert inner.first.weight.requires_grad
    wrapped = WrappedBackbone(inner, frozen=False)
    assert not wrapped.backbone.first.weight.requires_grad
    assert wrapped.backbone.second.weight.requires_grad


def test_probe_measures_and_leaves_the_mode():
    wrapped = WrappedBackbone(Halves(), frozen=False)
    maps = wrapped.probe()
    assert strides_of(maps) == (4, 8)
    assert [m.shape[1] for m in maps] == [4, 5]
    assert wrapped.backbone.training


def test_a_single_map_is_a_tuple_of_one():
    wrapped = WrappedBackbone(nn.Conv2d(3, 2, 1), frozen=False)
    (only,) = wrapped.maps(torch.zeros(1, 3, 4, 4))
    assert only.shape == (1, 2, 4, 4)
