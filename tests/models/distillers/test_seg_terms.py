"""Terms of a segmentor's distillation: scope, and what they may read."""

import pytest
from mmengine.registry import DefaultScope

from slotkd.models.distillers.seg_terms import (
    build_terms,
    check_terms,
    in_scope,
)

GIVEN = frozenset({'logits', 'feats', 'labels', 'peer_logits'})
BOTH = ('student', 'teacher')


def check(own=None, distilled=None, teachers=()):
    check_terms(
        build_terms(own, ('output',)),
        build_terms(distilled, BOTH),
        GIVEN,
        teachers,
    )


def test_a_scope_is_set_where_there_is_none():
    found = in_scope(dict(type='A', b=dict(c=1), d=2), 'mmseg', 'd')
    assert found == dict(_scope_='mmseg', type='A', b=dict(c=1))
    assert found.b.c == 1
    own = dict(type='A', _scope_='mine')
    assert in_scope(own, 'mmseg') == own


@pytest.mark.parametrize('prefix', ['', 'slotkd.'])
def test_terms_are_slotkds_in_any_scope(prefix):
    DefaultScope.get_instance('as-a-user', scope_name='mmseg')
    config = dict(type=f'{prefix}LogitDistillLoss', loss_weight=2.0)
    terms = build_terms(dict(kl=config), BOTH)
    assert terms.schedules['kl'].loss_weight == 2
    assert not build_terms(None, BOTH).losses


def test_what_is_there_may_be_read():
    check(
        dict(ssync=dict(type='SegSSyncLoss', second='peer_logits')),
        dict(
            kl=dict(type='LogitDistillLoss'),
            slots=dict(type='PairwiseDistillLoss', source='slot_maps'),
        ),
        ('teacher', 'slot_teacher'),
    )
    check()


@pytest.mark.parametrize(
    ('own', 'distilled', 'teachers', 'message'),
    [
        (
            dict(x=dict(type='SegSSyncLoss')),
            {},
            (),
            "'x' reads aux_logits, which the student does not have: it has f",
        ),
        (
            {},
            dict(x=dict(type='LogitDistillLoss')),
            ('slot_teacher',),
            "'x' reads logits of a teacher, but there is no teacher",
        ),
        (
            {},
            dict(x=dict(type='LogitDistillLoss')),
            ('teacher', 'slot_teacher'),
            'slot_teacher is given, but no term of distill_losses reads it',
        ),
        (
            dict(x=dict(type='SegSSyncLoss', second='peer_logits')),
            dict(x=dict(type='LogitDistillLoss')),
            ('teacher',),
            r"both have a term \['x'\]",
        ),
        (
            {},
            dict(x=dict(type='SlotMatchLoss', student_dim=2, teacher_dim=2)),
            ('teacher',),
            "'x' reads slots, which the student does not have",
        ),
    ],
)
def test_what_is_not_there_is_named(own, distilled, teachers, message):
    with pytest.raises(ValueError, match=message):
        check(own, distilled, teachers)
