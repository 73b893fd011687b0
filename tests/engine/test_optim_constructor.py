"""The optimiser sees only what trains, in few plain groups."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import build_optim_wrapper
from torch import nn

from slotkd.engine import merge_groups


def toy() -> nn.Module:
    return nn.ModuleDict(
        dict(
            backbone=nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)),
            head=nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)),
        )
    )


def wrap(model: nn.Module, **options):
    return build_optim_wrapper(
        model,
        ConfigDict(
            constructor='SlotKDOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.5),
            **options,
        ),
    )


def params_of(optimizer) -> set[int]:
    return {id(p) for g in optimizer.param_groups for p in g['params']}


def test_frozen_parameters_are_dropped():
    model = toy()
    model['backbone'].requires_grad_(False)
    optimizer = wrap(model).optimizer
    assert params_of(optimizer) == {id(p) for p in model['head'].parameters()}


def test_paramwise_groups_are_merged_into_plain_dicts():
    model = toy()
    model['head'][1].bias.requires_grad_(False)
    paramwise = dict(
        norm_decay_mult=0.0, custom_keys=dict(backbone=dict(lr_mult=0.1))
    )
    groups = wrap(model, paramwise_cfg=paramwise).optimizer.param_groups
    assert [type(g) for g in groups] == [dict] * 3
    found = {
        (round(g['lr'], 6), g['weight_decay']): len(g['params'])
        for g in groups
    }
    # A custom key overrides norm_decay_mult for the norms of the backbone.
    assert found == {(0.01, 0.5): 4, (0.1, 0.5): 2, (0.1, 0.0): 1}


def test_merged_groups_train_like_separate_ones():
    paramwise = dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))
    results = []
    for constructor in (
        'SlotKDOptimWrapperConstructor',
        'DefaultOptimWrapperConstructor',
    ):
        torch.manual_seed(0)
        model = toy()
        wrapper = build_optim_wrapper(
            model,
            ConfigDict(
                constructor=constructor,
                optimizer=dict(type='Adam', lr=0.1),
                paramwise_cfg=paramwise,
            ),
        )
        for _ in range(3):
            hidden = model['backbone'](torch.arange(6.0).view(2, 3))
            wrapper.update_params(model['head'](hidden).square().mean())
        results.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(*results)


def test_nothing_to_train_is_an_error():
    model = toy().requires_grad_(False)
    with pytest.raises(ValueError, match='ModuleDict has no trainable') as e:
        wrap(model)
    assert ' 8:' in str(e.value)


def test_merge_keeps_options_and_order():
    a, b, c = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    frozen = nn.Parameter(torch.zeros(1), requires_grad=False)
    groups = [
        dict(params=[a], lr=1),
        dict(params=[frozen], lr=9),
        dict(params=[b], lr=2),
        dict(params=[c], lr=1),
    ]
    merged = merge_groups(groups)
    assert [(g['lr'], len(g['params'])) for g in merged] == [(1, 2), (2, 1)]
    assert merged[0]['params'][1] is c
    assert len(groups[0]['params']) == 1
