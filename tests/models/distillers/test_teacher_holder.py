"""The held teacher: when it is built, who owns it, what it loads."""

import copy

import pytest
import torch
from torch import nn

from slotkd.models.distillers import TeacherHolder
from slotkd.models.distillers.teacher_holder import load_teacher
from tests import tiny


@pytest.fixture
def saved(tmp_path):
    """Return a trained model and the path of its checkpoint."""
    model = tiny.build(tiny.slot_model())
    path = tmp_path / 'teacher.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return model, str(path)


def save(state, folder):
    path = folder / 'changed.pth'
    torch.save(dict(state_dict=state), path)
    return str(path)


def weights(model):
    return {
        key: value
        for key, value in model.state_dict().items()
        if not key.startswith('losses.')
    }


def test_is_no_module_and_builds_once(saved):
    model, path = saved
    holder = TeacherHolder(tiny.slot_model(), path)
    assert not isinstance(holder, nn.Module)
    assert not holder.is_loaded
    teacher = holder.get()
    assert holder.is_loaded and holder.get() is teacher
    torch.testing.assert_close(weights(teacher), weights(model))


def test_the_teacher_is_frozen(saved):
    built = tiny.build(tiny.slot_model()).train()
    for holder in (
        TeacherHolder(built),
        TeacherHolder(tiny.slot_model(), saved[1]),
    ):
        teacher = holder.get()
        assert not any(m.training for m in teacher.modules())
        assert not any(p.requires_grad for p in teacher.parameters())


def test_a_built_module_can_load_a_checkpoint(saved):
    model, path = saved
    other = tiny.build(tiny.slot_model())
    assert not torch.equal(other.initializer.slots, model.initializer.slots)
    holder = TeacherHolder(other, path)
    assert holder.is_loaded and holder.get() is other
    torch.testing.assert_close(weights(other), weights(model))


def test_a_built_module_needs_no_checkpoint_but_a_config_does():
    built = tiny.build(tiny.slot_model())
    assert TeacherHolder(built).get() is built
    with pytest.raises(ValueError, match='teacher_checkpoint is missing'):
        TeacherHolder(tiny.slot_model())


def test_a_config_may_name_its_own_checkpoint(saved):
    model, path = saved
    config = dict(
        type='SlotBackbone', model=tiny.slot_model(), checkpoint=path
    )
    teacher = TeacherHolder(config).get()
    torch.testing.assert_close(weights(teacher.model), weights(model))
    with pytest.raises(ValueError, match='teacher_checkpoint is missing'):
        TeacherHolder(dict(config, checkpoint=None))


def test_copies_share_the_teacher(saved):
    holder = TeacherHolder(tiny.slot_model(), saved[1])
    twin = copy.deepcopy(dict(inside=[holder]))['inside'][0]
    assert twin.get() is holder.get()


def test_moves_reach_the_teacher_once_it_is_there(saved):
    holder = TeacherHolder(tiny.slot_model(), saved[1])
    holder.apply(torch.Tensor.double)
    assert not holder.is_loaded
    assert next(holder.get().parameters()).dtype == torch.float32
    holder.apply(torch.Tensor.double)
    assert next(holder.get().parameters()).dtype == torch.float64


def test_the_teacher_is_built_where_the_student_is(saved):
    holder = TeacherHolder(tiny.slot_model(), saved[1])
    teacher = holder.get(torch.zeros(1, device='meta'))
    assert {p.device.type for p in teacher.parameters()} == {'meta'}


@pytest.mark.parametrize('prefix', ['', 'student.'])
def test_loads_its_own_and_a_distillers_file(saved, tmp_path, prefix):
    model, _ = saved
    state = {prefix + key: value for key, value in model.state_dict().items()}
    if prefix:
        state['distill_losses.losses.slot_match.proj.weight'] = torch.ones(2)
    other = tiny.build(tiny.slot_model())
    load_teacher(other, save(state, tmp_path))
    torch.testing.assert_close(weights(other), weights(model))


def test_weights_of_losses_are_passed_over(saved, tmp_path):
    model, _ = saved
    state = model.state_dict() | {'losses.losses.x.proj': torch.ones(3)}
    other = tiny.build(tiny.slot_model())
    load_teacher(other, save(state, tmp_path))
    torch.testing.assert_close(weights(other), weights(model))


def test_more_may_be_left_out_of_the_file_and_of_the_model(saved, tmp_path):
    model, _ = saved
    state = model.state_dict() | {'auxiliary_head.weight': torch.ones(3)}
    path = save(state, tmp_path)
    with pytest.raises(ValueError, match='unexpected auxiliary_head.weight'):
        TeacherHolder(tiny.slot_model(), path).get()
    holder = TeacherHolder(tiny.slot_model(), path, ('auxiliary_head.',))
    torch.testing.assert_close(weights(holder.get()), weights(model))


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match='not found: no/where.pth'):
        load_teacher(tiny.build(tiny.slot_model()), 'no/where.pth')


def test_every_kind_of_misfit_is_named(saved, tmp_path):
    model, _ = saved
    state = model.state_dict()
    del state['corrector.to_q.weight']
    state['neck.extra'] = torch.zeros(1)
    state['initializer.slots'] = torch.zeros(1, 5, 16)
    path = save(state, tmp_path)
    other = tiny.build(tiny.slot_model())
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(ValueError, match='3 keys differ') as caught:
        load_teacher(other, path)
    message = str(caught.value)
    assert path in message
    assert 'missing corrector.to_q.weight' in message
    assert 'unexpected neck.extra' in message
    assert (
        'initializer.slots has shape (1, 5, 16), the model (1, 4, 16)'
        in message
    )
    torch.testing.assert_close(other.state_dict(), before, rtol=0, atol=0)


def test_a_long_list_of_misfits_is_cut(tmp_path):
    model = tiny.build(tiny.slot_model())
    with pytest.raises(ValueError, match='keys differ') as caught:
        load_teacher(model, save({'a': torch.zeros(1)}, tmp_path))
    assert str(caught.value).count('missing') == 5
    assert f'{len(weights(model)) + 1} keys differ' in str(caught.value)
