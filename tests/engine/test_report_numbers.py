import copy
import math

import pytest

from slotkd.engine.report_numbers import (
    check_results,
    comparison_table,
    count,
    duration,
    headline,
    key_figures,
    times,
)


def results(teacher=0.88, student=0.86, control=0.61, **student_changes):
    def run(fg_ari, params, speed):
        return dict(
            fg_ari=fg_ari,
            mbo=0.7,
            params=params,
            frames_per_s=speed,
            train_s=60.0,
        )

    small = dict(run(student, 40_000, 2600.0), **student_changes)
    return dict(
        dataset='MovingShapes',
        seed=0,
        wall_s=1.0,
        runs=dict(
            teacher=run(teacher, 164_000, 1000.0),
            student=small,
            control=run(control, 40_000, 2600.0),
        ),
    )


def test_the_headline_when_all_goes_well():
    assert headline(results()) == (
        'The student keeps 97 % of the teacher’s FG-ARI with 4.1× fewer '
        'parameters at 2.6× the speed. Without distillation the same student '
        'reaches 0.610.'
    )
    assert all(figure.met for figure in key_figures(results()))


def test_a_student_far_below_its_teacher_is_named():
    text = headline(results(student=0.80))
    assert 'does not keep up with its teacher' in text
    assert '0.800 against 0.880, a loss of 0.080 where 0.03 was' in text
    assert 'keeps' not in text
    assert [f.met for f in key_figures(results(student=0.80))] == [
        False,
        True,
        True,
        True,
    ]


def test_the_margin_is_the_boundary():
    assert 'keeps' in headline(results(student=0.8501))
    assert 'does not keep up' in headline(results(student=0.8499))


@pytest.mark.parametrize('control', [0.86, 0.9])
def test_a_control_that_is_as_good_is_named(control):
    text = headline(results(control=control))
    assert 'Distillation did not help' in text
    assert f'{control - 0.86:.3f} above the student' in text
    assert not key_figures(results(control=control))[1].met


def test_a_gap_too_small_for_one_seed_is_named():
    assert 'one seed cannot vouch for' in headline(results(control=0.85))
    assert 'one seed' not in headline(results(control=0.83))


def test_a_student_above_its_teacher_and_a_larger_slower_one():
    assert 'matches its teacher, FG-ARI 0.900' in headline(
        results(student=0.9)
    )
    worse = results(params=328_000, frames_per_s=500.0)
    text = headline(worse)
    assert '2.0× more parameters at 0.50× the speed' in text
    assert 'the control, of another size, reaches' in text
    assert [figure.met for figure in key_figures(worse)[2:]] == [False, False]


def test_a_teacher_that_learned_nothing_is_not_a_share():
    text = headline(results(teacher=-0.01, student=-0.02, control=-0.3))
    assert '%' not in text and 'does not keep up' in text
    assert '−0.020 against −0.010' in text


def test_rounding_never_flatters():
    assert 'keeps 99 %' in headline(results(student=0.8799))
    assert times(2.99) == '2.9×'
    assert times(1.999) == '1.99×'
    assert times(2.3) == '2.3×'
    assert times(0.999) == '0.99×'
    assert times(41.8) == '41×'


def test_units():
    assert [count(n) for n in (40, 999, 41_011, 999_900, 1_234_567)] == [
        '40',
        '999',
        '41.0 k',
        '1.00 M',
        '1.23 M',
    ]
    assert [duration(s) for s in (4.2, 89, 90, 5400)] == [
        '4.2 s',
        '89.0 s',
        '1.5 min',
        '1.5 h',
    ]


def test_the_table_relates_each_run_to_the_teacher():
    table = comparison_table(results())
    assert table.count('<td>') == 3 * 5 + 1
    assert table.count('scope="row"') == 5
    assert '40.0 k<small>0.24×</small>' in table
    assert '0.610<small>0.69×</small>' in table
    assert 'width:61.0%' in table


@pytest.mark.parametrize(
    ('run', 'field', 'value'),
    [
        ('student', 'fg_ari', math.nan),
        ('control', 'mbo', 1.5),
        ('teacher', 'params', 0),
        ('teacher', 'frames_per_s', math.inf),
        ('student', 'train_s', -1.0),
        ('student', 'fg_ari', '0.8'),
    ],
)
def test_a_value_that_says_nothing_is_refused(run, field, value):
    broken = copy.deepcopy(results())
    broken['runs'][run][field] = value
    with pytest.raises(ValueError, match=f'results {run} {field} is .*'):
        check_results(broken)


def test_a_missing_key_is_named():
    broken = copy.deepcopy(results())
    del broken['runs']['student']['mbo']
    with pytest.raises(ValueError, match='results student mbo is missing'):
        check_results(broken)
    del broken['seed']
    with pytest.raises(ValueError, match="results lacks 'seed'"):
        check_results(broken)
