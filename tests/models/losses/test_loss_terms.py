"""LossTerms: windows, names, what is skipped, and what is refused."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn

from slotkd.models.losses import LossTerms, TermSchedule
from slotkd.registry import MODELS
from tests import tiny


@MODELS.register_module(force=True)
class CountingLoss(nn.Module):
    """The mean slot, counting its calls."""

    fields = ('slots',)

    def __init__(self, with_weight: bool = False) -> None:
        super().__init__()
        self.calls = 0
        self.weight = nn.Parameter(torch.ones(())) if with_weight else 1.0

    def forward(self, output):
        self.calls += 1
        return output.slots.mean() * self.weight


@MODELS.register_module(force=True)
class TwoPartLoss(nn.Module):
    """Two losses and a number to log."""

    fields = ('slots', 'recon')
    parts = ('low', 'high')

    def forward(self, output):
        slots = output.slots
        return dict(low=slots.min(), high=slots.max(), share=slots.mean())


@MODELS.register_module(force=True)
class PairLoss(nn.Module):
    """A term of two records."""

    fields = ('slots',)
    teacher_fields = ('recon',)

    def forward(self, student, teacher):
        return (student.slots.mean() - teacher.slots.mean()).square()


@MODELS.register_module(force=True)
class NestedLoss(nn.Module):
    """Reads a field that holds tensors in tuples."""

    fields = ('attn', 'labels')

    def forward(self, output):
        return output.attn[0][0].mean()


@MODELS.register_module(force=True)
class UndeclaredLoss(nn.Module):
    """A term that does not say what it reads."""

    def forward(self, output):
        return output.slots.mean()


@pytest.fixture
def output():
    return tiny.build(tiny.slot_model())(tiny.clips())


def test_factor_over_time():
    schedule = TermSchedule(loss_weight=2.0, begin=10, end=20, ramp=4)
    steps = [0, 9, 10, 12, 14, 19, 20, 100]
    expected = [0, 0, 0, 1, 2, 2, 0, 0]
    assert [schedule.factor(step) for step in steps] == expected
    assert TermSchedule(begin=10).factor(10) == 1


def test_names_and_weights(output):
    terms = LossTerms(
        dict(
            one=dict(type='CountingLoss', loss_weight=0.5),
            two=dict(type='TwoPartLoss', loss_weight=3.0),
        ),
        ('output',),
    )
    losses = terms(output, step=0)
    slots = output.slots
    torch.testing.assert_close(losses['loss_one'], 0.5 * slots.mean())
    torch.testing.assert_close(losses['loss_two_low'], 3 * slots.min())
    torch.testing.assert_close(losses['loss_two_high'], 3 * slots.max())
    torch.testing.assert_close(losses['two_share'], slots.mean())
    assert len(losses) == 4


@pytest.mark.parametrize('with_weight', [False, True])
def test_a_term_outside_its_window(output, with_weight):
    config = dict(type='CountingLoss', with_weight=with_weight, begin=5)
    terms = LossTerms(dict(late=config), ('output',))
    loss = terms(output, step=4)['loss_late']
    assert float(loss.detach()) == 0
    # A term with parameters runs, so that DDP sees a gradient for each.
    assert terms.losses['late'].calls == int(with_weight)
    slots_grad = torch.autograd.grad(loss, output.slots, retain_graph=True)[0]
    assert not slots_grad.any()
    if with_weight:
        loss.backward()
        assert terms.losses['late'].weight.grad == 0
    assert terms.fields('output', 4) == {'slots'}
    assert float(terms(output, step=5)['loss_late'].detach()) != 0


def test_the_zero_is_exact_whatever_the_slots(output):
    object.__setattr__(output, 'slots', output.slots * float('inf'))
    config = dict(type='TwoPartLoss', begin=5)
    losses = LossTerms(dict(late=config), ('output',))(output, step=0)
    assert losses == {'loss_late_low': 0, 'loss_late_high': 0}


def test_a_part_without_a_name_is_the_loss_of_the_term(output):
    terms = LossTerms(dict(two=dict(type='TwoPartLoss', begin=5)), ('output',))
    term = terms.losses['two']
    term.parts = ('',)
    term.forward = lambda output: {
        '': output.slots.min(),
        'low': output.slots.max(),
    }
    assert list(terms(output, step=0)) == ['loss_two']
    assert list(terms(output, step=5)) == ['loss_two', 'two_low']


def test_the_zero_keeps_the_graph_of_nested_fields():
    maps = torch.ones(2, requires_grad=True)
    output = SimpleNamespace(labels=torch.ones(2).long(), attn=((maps,),))
    terms = LossTerms(dict(late=dict(type='NestedLoss', begin=5)), ('output',))
    loss = terms(output, step=0)['loss_late']
    loss.backward()
    assert loss == 0 and maps.grad.tolist() == [0, 0]


def test_training_outside_every_window_changes_nothing():
    config = tiny.slot_model(
        losses=dict(
            recon=dict(type='FeatureReconstructionLoss', begin=5),
            slot_contrast=dict(type='SlotContrastLoss', begin=5),
        )
    )
    model = tiny.build(config)
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.Adam(model.parameters())
    sum(model(tiny.clips(), mode='loss').values()).backward()
    optimizer.step()
    assert all(not p.grad.any() for p in model.parameters())
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


@pytest.mark.usefixtures('process_group')
def test_windows_under_ddp():
    """The decoder's only term opens late: no parameter is ever unused."""
    config = tiny.slot_model(
        losses=dict(
            recon=dict(type='FeatureReconstructionLoss', begin=2, end=4),
            slot_contrast=dict(type='SlotContrastLoss', end=3),
        )
    )
    model = nn.parallel.DistributedDataParallel(tiny.build(config))
    hub = MessageHub.get_instance('ddp')
    for step in range(6):
        hub.update_info('iter', step)
        sum(model(tiny.clips(), mode='loss').values()).backward()


def test_the_step_is_that_of_the_running_loop(output):
    terms = LossTerms(
        dict(late=dict(type='CountingLoss', begin=7)), ('output',)
    )
    hub = MessageHub.get_instance('loop')
    hub.update_info('iter', 6)
    assert float(terms(output)['loss_late'].detach()) == 0
    hub.update_info('iter', 7)
    assert float(terms(output)['loss_late'].detach()) != 0


def test_fields_of_both_records():
    terms = LossTerms(dict(a=dict(type='PairLoss')), ('student', 'teacher'))
    assert terms.fields('student', 0) == {'slots'}
    assert terms.fields('teacher', 0) == {'recon'}


@pytest.mark.parametrize(
    ('config', 'step', 'student', 'teacher'),
    [
        (dict(begin=5), 4, {'slots'}, set()),
        (dict(begin=5), 5, {'slots'}, {'recon'}),
        (dict(end=5), 5, {'slots'}, set()),
        (dict(loss_weight=0.0), 0, set(), set()),
    ],
)
def test_fields_outside_the_window(config, step, student, teacher):
    terms = LossTerms(
        dict(a=dict(type='PairLoss', **config)), ('student', 'teacher')
    )
    assert terms.fields('student', step) == student
    assert terms.fields('teacher', step) == teacher


def test_a_term_that_refuses_the_records_is_named(output):
    object.__setattr__(output, 'recon', None)
    config = dict(type='FeatureReconstructionLoss')
    terms = LossTerms(dict(draw=config), ('output',))
    with pytest.raises(ValueError, match="^loss term 'draw': .*recon is None"):
        terms(output, step=0)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_loss_that_is_not_finite_is_named(output, value):
    object.__setattr__(output, 'slots', output.slots * value)
    terms = LossTerms(dict(mean=dict(type='CountingLoss')), ('output',))
    with pytest.raises(
        FloatingPointError, match='iteration 12: loss_mean = (nan|-?inf)'
    ):
        terms(output, step=12)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(type='PairLoss'), r"'a': PairLoss.forward takes \('student"),
        (dict(type='UndeclaredLoss'), "'a': UndeclaredLoss does not declare"),
        (dict(type='CountingLoss', begin=5, end=5), "'a': end 5 must be"),
        (dict(type='CountingLoss', ramp=-1), "'a': ramp must be"),
        (dict(type='CountingLoss', begin=-3), "'a': begin must be"),
    ],
)
def test_refuses_at_build(config, message):
    with pytest.raises(ValueError, match=message):
        LossTerms(dict(a=config), ('output',))


@pytest.mark.parametrize(
    ('kind', 'parts', 'told'),
    [
        ('CountingLoss', ('low',), r"Tensor, .* parts = \('low',\)"),
        ('TwoPartLoss', None, 'dict, .* parts = None'),
    ],
)
def test_a_term_returns_what_it_declares(output, kind, parts, told):
    terms = LossTerms(dict(a=dict(type=kind)), ('output',))
    terms.losses['a'].parts = parts
    with pytest.raises(TypeError, match=f"'a' returned a {told}"):
        terms(output, step=0)


def test_a_misspelt_argument_is_named():
    with pytest.raises(TypeError, match='los_weight'):
        LossTerms(dict(a=dict(type='CountingLoss', los_weight=1)), ('output',))
