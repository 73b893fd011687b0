"""SSync between class maps: whom it teaches, grids, heads, options."""

import inspect

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.losses import (
    LossTerms,
    SegSSyncLoss,
    seg_ssync_loss,
    ssync_loss,
)
from tests.segmentors import record


def maps(dtype=torch.float32, sizes=((6, 8), (6, 8))):
    """Return two maps of one smooth layout, so that no set is empty."""
    layout = 3 * torch.randn(2, 4, 3, 4, dtype=dtype)
    return tuple(
        (
            F.interpolate(layout, size) + torch.randn(2, 4, *size, dtype=dtype)
        ).requires_grad_()
        for size in sizes
    )


def test_is_ssync_of_single_frames_with_classes_as_slots():
    first, second = maps(torch.float64)
    result = seg_ssync_loss(first, second)
    expected = ssync_loss(
        first.flatten(2)[:, None],
        second.flatten(2)[:, None],
        (6, 8),
        iou_thr=1.0,
        temporal=False,
        reduction='sum_slots',
    )
    torch.testing.assert_close(result.boundary, expected.boundary)
    torch.testing.assert_close(result.interior, expected.interior)
    assert result.stats['merged_share'] == 0
    # By hand: boundaries of the first map teach the second.
    labels = first.argmax(1)
    near = F.pad(labels[:, None].double(), (1, 1, 1, 1), mode='replicate')
    near = F.unfold(near, 3).view(2, 9, 6, 8)[:, [0, 1, 2, 3, 5, 6, 7, 8]]
    differs = near != labels[:, None]
    boundary = differs.any(1) & ~differs.all(1)
    target = F.one_hot(labels, 4).movedim(3, 1)
    error = (second.softmax(1) - target).square().sum(1)
    torch.testing.assert_close(result.boundary, error[boundary].mean())


@pytest.mark.parametrize('reversed_roles', [False, True])
def test_each_part_teaches_one_map(reversed_roles):
    first, second = maps()
    result = seg_ssync_loss(first, second, reversed_roles=reversed_roles)
    learners = (first, second) if reversed_roles else (second, first)
    for part, learner in zip(
        (result.boundary, result.interior), learners, strict=True
    ):
        grads = torch.autograd.grad(
            part, (first, second), allow_unused=True, retain_graph=True
        )
        for logits, grad in zip((first, second), grads, strict=True):
            assert (grad is not None and grad.any()) == (logits is learner)


def test_sure_and_equal_maps_have_nothing_to_learn():
    first, _ = maps()
    sure = (1e3 * first).detach().requires_grad_()
    result = seg_ssync_loss(sure, sure.detach())
    (result.boundary + result.interior).backward()
    assert result.boundary < 1e-12 and result.interior < 1e-12
    assert sure.grad.abs().max() < 1e-12


@pytest.mark.parametrize('sizes', [((6, 8), (3, 4)), ((3, 4), (6, 8))])
def test_the_finer_grid_is_common(sizes):
    result = seg_ssync_loss(*maps(sizes=sizes))
    assert result.labels_attn.shape == (2, 1, 48)
    assert (result.boundary + result.interior).isfinite()


def test_half_precision_is_counted_in_full():
    first, second = maps()
    half = [x.detach().bfloat16().requires_grad_() for x in (first, second)]
    result = seg_ssync_loss(*half)
    (result.boundary + result.interior).backward()
    assert result.boundary.dtype == torch.float32
    assert all(x.grad.isfinite().all() for x in half)


def test_maps_of_other_classes_are_refused():
    with pytest.raises(ValueError, match='got 4 and 3 channels'):
        seg_ssync_loss(torch.zeros(1, 4, 2, 2), torch.zeros(1, 3, 2, 2))
    with pytest.raises(ValueError, match='two or more classes, got 1 and 1'):
        seg_ssync_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))


def output():
    logits, aux = maps(sizes=((6, 8), (3, 4)))
    _, peer = maps()
    return record(
        logits=logits, aux_logits=(aux.detach() * 0, aux), peer_logits=peer
    )


def test_maps_are_chosen_by_name():
    given = output()
    for options, expected in (
        ({}, (given.logits, given.aux_logits[1])),
        (dict(aux_index=0), (given.logits, given.aux_logits[0])),
        (dict(second='peer_logits'), (given.logits, given.peer_logits)),
        (
            dict(first='aux_logits', second='logits'),
            (given.aux_logits[1], given.logits),
        ),
    ):
        loss = SegSSyncLoss(**options)
        result = seg_ssync_loss(*expected)
        found = loss(given)
        assert torch.equal(found['bd'], result.boundary)
        assert torch.equal(found['nbd'], result.interior)
        assert found['agreement'] == result.stats['agreement']


def test_module_takes_every_option_of_the_function():
    function = inspect.signature(seg_ssync_loss).parameters
    module = inspect.signature(SegSSyncLoss.__init__).parameters
    options = {k: p.default for k, p in list(function.items())[2:]}
    own = {k: p.default for k, p in list(module.items())[1:]}
    for name in ('first', 'second', 'aux_index', 'terms'):
        own.pop(name)
    assert options == own
    other = dict(
        n_bd=2,
        n_agree=2,
        n_nbd=3,
        selection='soft',
        entropy_share=0.5,
        swaps='drop',
        targets='soft',
        reversed_roles=True,
    )
    assert other.keys() == options.keys()
    assert SegSSyncLoss(**other).loss.keywords == other


def test_terms_are_scheduled_and_logged_apart():
    terms = LossTerms(
        dict(ssync=dict(type='SegSSyncLoss', begin=5, loss_weight=0.5)),
        ('output',),
    )
    given = output()
    before = terms(given, step=4)
    assert before == {'loss_ssync_bd': 0, 'loss_ssync_nbd': 0}
    after = terms(given, step=5)
    result = seg_ssync_loss(given.logits, given.aux_logits[1])
    torch.testing.assert_close(after['loss_ssync_bd'], 0.5 * result.boundary)
    assert after['ssync_agreement'] == result.stats['agreement']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(first='feats'), "first='feats' is not one of 'logits'"),
        (dict(second='logits'), "first and second are both 'logits'"),
        (dict(terms=()), r"'nbd' or both, got \(\)"),
        (dict(selection='best'), "selection='best'"),
        (dict(swaps='no'), "swaps='no'"),
    ],
)
def test_wrong_options_are_found_at_build(options, message):
    with pytest.raises(ValueError, match=message):
        SegSSyncLoss(**options)


def test_a_missing_head_is_named():
    with pytest.raises(ValueError, match='student has 0 maps in aux_logits'):
        SegSSyncLoss()(record())
