"""The distiller: what the teacher is not part of, and what never runs."""

import copy

import pytest
import torch
from mmengine.model import ExponentialMovingAverage

from slotkd.models.distillers import Distiller
from slotkd.registry import MODELS
from tests import tiny

SLOT_MATCH = dict(
    slot_match=dict(type='SlotMatchLoss', student_dim=16, teacher_dim=32)
)


def distiller(teacher=None, **options):
    options.setdefault('distill_losses', SLOT_MATCH)
    return Distiller(
        tiny.slot_model(),
        teacher or tiny.build(tiny.slot_model(slot_dim=32)),
        **options,
    )


@pytest.fixture
def teacher_file(tmp_path):
    """A checkpoint of a wider teacher, as training writes it."""
    teacher = tiny.build(tiny.slot_model(slot_dim=32))
    path = tmp_path / 'teacher.pth'
    torch.save(dict(state_dict=teacher.state_dict()), path)
    return str(path), teacher


def test_losses_of_both_are_merged():
    losses = distiller()(tiny.clips(), mode='loss')
    assert set(losses) == {
        'loss_recon',
        'loss_slot_contrast',
        'loss_slot_match',
    }


def test_the_teacher_is_not_part_of_the_model():
    model = distiller()
    teacher_ids = {id(p) for p in model.teacher.parameters()}
    assert not teacher_ids & {id(p) for p in model.parameters()}
    assert not any('teacher' in key for key in model.state_dict())
    assert all(m is not model.teacher for m in model.modules())


def test_the_teacher_is_frozen_and_stays_in_eval():
    model = distiller().train()
    teacher = model.teacher
    assert not any(m.training for m in teacher.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    before = copy.deepcopy(teacher.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sum(model(tiny.clips(), mode='loss').values()).backward()
    optimizer.step()
    for key, value in teacher.state_dict().items():
        assert torch.equal(value, before[key])


def test_the_teacher_follows_moves_and_is_shared_by_copies():
    model = distiller()
    model.double()
    assert next(model.teacher.parameters()).dtype == torch.float64
    assert copy.deepcopy(model).teacher is model.teacher
    average = ExponentialMovingAverage(model)
    assert average.module.teacher is model.teacher
    assert not any('teacher' in key for key in average.state_dict())


def test_gradients_reach_the_student_only():
    model = distiller()
    loss = model(tiny.clips(), mode='loss')['loss_slot_match']
    loss.backward()
    assert model.student.initializer.slots.grad.any()
    assert all(p.grad is None for p in model.teacher.parameters())


def test_the_teachers_decoder_runs_only_for_decoded_fields(monkeypatch):
    model = distiller()
    calls = []
    monkeypatch.setattr(
        type(model.teacher),
        'decode',
        _counting(type(model.teacher).decode, model.teacher, calls),
    )
    model(tiny.clips(), mode='loss')
    assert calls == []
    model.teacher.run(tiny.clips(), ('recon',))
    assert calls == ['decode']


def _counting(function, owner, calls):
    def count(self, *args):
        if self is owner:
            calls.append('decode')
        return function(self, *args)

    return count


def test_the_teacher_is_loaded_at_first_use(teacher_file):
    path, teacher = teacher_file
    config = tiny.slot_model(slot_dim=32)
    model = Distiller(
        tiny.slot_model(),
        config,
        distill_losses=SLOT_MATCH,
        teacher_checkpoint=path,
    )
    clips = tiny.clips()
    model(clips, mode='predict')
    assert not model._holder.is_loaded
    model(clips, mode='loss')
    for key, value in teacher.state_dict().items():
        assert torch.equal(model.teacher.state_dict()[key], value)


def test_a_teacher_loaded_late_has_the_students_dtype(teacher_file):
    path, teacher = teacher_file
    model = Distiller(
        tiny.slot_model(),
        tiny.slot_model(slot_dim=32),
        distill_losses=SLOT_MATCH,
        teacher_checkpoint=path,
    ).double()
    loss = model(tiny.clips().double(), mode='loss')['loss_slot_match']
    assert loss.dtype == torch.float64
    torch.testing.assert_close(
        model.teacher.state_dict(), teacher.double().state_dict()
    )


def test_a_student_predicts_without_the_teachers_file():
    config = tiny.slot_model(slot_dim=32)
    model = Distiller(
        tiny.slot_model(),
        config,
        distill_losses=SLOT_MATCH,
        teacher_checkpoint='nowhere.pth',
    )
    model(tiny.clips(), mode='predict')
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        model.init_weights()


def test_a_distillers_checkpoint_can_teach(tmp_path):
    first = distiller()
    path = tmp_path / 'student.pth'
    torch.save(dict(state_dict=first.state_dict()), path)
    second = distiller(
        tiny.slot_model(),
        teacher_checkpoint=str(path),
        distill_losses=dict(
            slot_match=dict(
                type='SlotMatchLoss', student_dim=16, teacher_dim=16
            )
        ),
    )
    torch.testing.assert_close(
        second.teacher.initializer.slots, first.student.initializer.slots
    )


def test_initial_slots_are_copied():
    teacher = tiny.build(tiny.slot_model())
    same_width = dict(
        slot_match=dict(type='SlotMatchLoss', student_dim=16, teacher_dim=16)
    )
    for copied in (True, False):
        model = distiller(
            teacher, init_from_teacher=copied, distill_losses=same_width
        )
        model.init_weights()
        equal = torch.equal(
            model.student.initializer.slots, teacher.initializer.slots
        )
        assert equal == copied
    assert model.student.initializer.slots.requires_grad


def test_refuses_what_does_not_fit(teacher_file):
    path, _ = teacher_file
    with pytest.raises(ValueError, match='teacher_checkpoint is missing'):
        distiller(tiny.slot_model())
    with pytest.raises(
        ValueError, match=r'keys differ.*shape \(96,\), the model \(48,\)'
    ):
        distiller(tiny.slot_model(), teacher_checkpoint=path).init_weights()
    with pytest.raises(ValueError, match=r'\(4, 32\), the student \(4, 16\)'):
        distiller(init_from_teacher=True).init_weights()
    with pytest.raises(ValueError, match=r"both have a term \['recon'\]"):
        distiller(distill_losses=dict(recon=SLOT_MATCH['slot_match']))


def test_refuses_random_initial_slots():
    gaussian = dict(type='GaussianInitializer', num_slots=4, slot_dim=16)
    teacher = tiny.build(tiny.slot_model(initializer=gaussian))
    with pytest.raises(ValueError, match='teacher has a GaussianInitializer'):
        distiller(teacher, init_from_teacher=True).init_weights()


def test_is_built_from_a_config(teacher_file):
    path, _ = teacher_file
    model = MODELS.build(
        dict(
            type='Distiller',
            student=tiny.slot_model(),
            teacher=tiny.slot_model(slot_dim=32),
            teacher_checkpoint=path,
            distill_losses=SLOT_MATCH,
        )
    )
    assert isinstance(model, Distiller)


def test_losses_of_one_log_name_are_refused(monkeypatch):
    model = distiller()
    step = type(model.student).record_and_losses

    def renamed(self, *args):
        record, losses = step(self, *args)
        return record, losses | dict(loss_slot_match=losses['loss_recon'])

    monkeypatch.setattr(type(model.student), 'record_and_losses', renamed)
    with pytest.raises(ValueError, match="both log .'loss_slot_match'."):
        model(tiny.clips(), mode='loss')
