"""A checkpoint of another model is refused before a weight changes."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import BaseLoop
from torch import nn

from slotkd.engine import StrictLoadHook


class Loop(BaseLoop):
    """A train loop that was built."""

    def __init__(self):
        pass

    def run(self):
        pass


def runner(resume: bool = False, model=None, train=True) -> SimpleNamespace:
    return SimpleNamespace(
        model=nn.Linear(2, 3) if model is None else model,
        _train_loop=Loop() if train else {'max_iters': 3},
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


def wrapped(name: str, **others) -> nn.Module:
    return nn.ModuleDict({name: nn.Linear(2, 3), **others})


def given(checkpoint: dict, **options) -> dict:
    """Return the tensors that the model is given after the hook."""
    hook = StrictLoadHook()
    hook.after_load_checkpoint(runner(**options), checkpoint)
    return checkpoint.get('state_dict', checkpoint)


def test_a_test_takes_a_student_out_of_a_distiller():
    distiller = wrapped('student', distill_losses=nn.Linear(1, 1))
    state = {'state_dict': distiller.state_dict()}
    assert set(given(state, train=False)) == {'weight', 'bias'}
    with pytest.raises(ValueError, match='missing weight'):
        given({'state_dict': distiller.state_dict()}, train=True)


def test_a_test_takes_a_student_into_a_distiller():
    distiller = wrapped('student', distill_losses=nn.Linear(1, 1))
    options = dict(model=distiller, train=False)
    found = given(nn.Linear(2, 3).state_dict(), **options)
    assert set(given(dict(found), **options)) >= {'student.weight'}


def test_loss_terms_do_not_count_in_a_test():
    model = nn.Sequential()
    model.add_module('losses', nn.Linear(1, 1))
    model.add_module('neck', nn.Linear(2, 2))
    state = {f'neck.{k}': v for k, v in nn.Linear(2, 2).state_dict().items()}
    given({'state_dict': dict(state)}, model=model, train=False)
    with pytest.raises(ValueError, match='missing losses.weight'):
        given({'state_dict': dict(state)}, model=model, train=True)


def test_optional_weights_may_be_missing():
    class Backbone(nn.Linear):
        def optional_weights(self):
            return frozenset({'bias'})

    model = nn.ModuleDict({'backbone': Backbone(2, 3)})
    weight = {'backbone.weight': torch.zeros(3, 2)}
    given({'state_dict': dict(weight)}, model=model, resume=True)
    with pytest.raises(ValueError, match=r'bias has shape \(9,\)'):
        given(
            {'state_dict': weight | {'backbone.bias': torch.zeros(9)}},
            model=model,
        )
