"""A checkpoint of another model is refused before a weight changes."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from slotkd.engine import StrictLoadHook


def runner(resume: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        model=nn.Linear(2, 3),
        _resume=resume,
        _load_from='some/iter_9.pth',
        work_dir='.',
    )


def load(state: dict, hook: StrictLoadHook | None = None, **options) -> None:
    hook = hook or StrictLoadHook()
    hook.after_load_checkpoint(runner(**options), {'state_dict': state})


def test_fitting_checkpoint_passes():
    state = nn.Linear(2, 3).state_dict()
    load(state)
    load({f'module.{key}': value for key, value in state.items()})
    StrictLoadHook().after_load_checkpoint(runner(), state)


def test_wrong_shape_names_file_tensor_and_both_shapes():
    state = nn.Linear(2, 5).state_dict()
    with pytest.raises(ValueError, match='some/iter_9.pth') as caught:
        load(state)
    told = str(caught.value)
    assert 'weight has shape (5, 2), the model (3, 2)' in told
    assert 'Linear' in told and '\n' not in told


def test_missing_and_left_over_tensors():
    state = nn.Linear(2, 3).state_dict()
    state['head.weight'] = state.pop('bias')
    with pytest.raises(ValueError, match='missing bias') as caught:
        load(state)
    assert 'unexpected head.weight' in str(caught.value)


def test_missing_tensors_may_be_allowed_but_not_to_resume():
    state = nn.Linear(2, 3, bias=False).state_dict()
    hook = StrictLoadHook(allow_missing=True)
    load(state, hook)
    with pytest.raises(ValueError, match='missing bias'):
        load(state, hook, resume=True)


def test_long_lists_are_cut():
    with pytest.raises(ValueError, match='and 8 more'):
        load({f'x{i}': torch.zeros(1) for i in range(10)})
