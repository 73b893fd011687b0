"""What the numbers of a distillation run say, in words and as a table."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from numbers import Real
from typing import Any

RUNS = ('teacher', 'student', 'control')
FIELDS = ('fg_ari', 'mbo', 'params', 'frames_per_s', 'train_s')
MARGIN = 0.03  # FG-ARI that the student may lose
FEWER, FASTER = 3.0, 2.0  # goals against the teacher
UNDECIDED = 0.02  # FG-ARI within which one seed tells nothing


@dataclass(frozen=True, kw_only=True)
class KeyFigure:
    """One number to remember.

    Args:
        value: The number as it is printed.
        label: What it counts.
        detail: What it was computed from.
        goal: What was asked for.
        met: Whether that was reached.
    """

    value: str
    label: str
    detail: str
    goal: str
    met: bool


def check_results(results: Mapping[str, Any]) -> None:
    """Refuse numbers that no honest sentence can be made of.

    Raises:
        ValueError: If a key is missing or a value is not a finite number of
            a sensible sign; names the key and the value.
    """
    missing = [k for k in ('dataset', 'seed', 'wall_s') if k not in results]
    if missing:
        raise ValueError(f'results lacks {missing[0]!r}: {sorted(results)}')
    _check_number('results wall_s', results['wall_s'], 0)
    runs = results.get('runs', {})
    for run in RUNS:
        if run not in runs:
            raise ValueError(f'results runs lack {run!r}: {sorted(runs)}')
        for field in FIELDS:
            name = f'results {run} {field}'
            if field not in runs[run]:
                raise ValueError(f'{name} is missing: {sorted(runs[run])}')
            score = field in ('fg_ari', 'mbo')
            _check_number(name, runs[run][field], -1 if score else 0)
            if score and runs[run][field] > 1:
                raise ValueError(f'{name} is {runs[run][field]}, above 1')
        for field in ('params', 'frames_per_s'):
            if not runs[run][field]:
                raise ValueError(f'results {run} {field} is 0, need more')


def _check_number(name: str, value: Any, low: float | int) -> None:
    if not isinstance(value, Real) or not math.isfinite(value) or value < low:
        raise ValueError(f'{name} is {value!r}, need a number >= {low}')


def headline(results: Mapping[str, Any]) -> str:
    """Say in two sentences what distillation did, good or bad.

    Args:
        results: The object of ``results.json``.

    Returns:
        Plain text. A student more than 0.03 below its teacher, or not above
        the control, is named as such.
    """
    teacher, student, control = (results['runs'][run] for run in RUNS)
    has = f'{_params(teacher, student)} and runs at {_speed(teacher, student)}'
    cost = f'with {_params(teacher, student)} at {_speed(teacher, student)}'
    high, low = teacher['fg_ari'], student['fg_ari']
    pair = f'{score(low)} against {score(high)}'
    if low >= high:
        first = f'The student matches its teacher, FG-ARI {pair}, {cost}.'
    elif low >= high - MARGIN and high > 0:
        first = (
            f'The student keeps {_share(low, high)} of the teacher’s FG-ARI '
            f'{cost}.'
        )
    else:
        first = (
            f'The student does not keep up with its teacher: FG-ARI {pair}, '
            f'a loss of {score(high - low)} where {MARGIN} was allowed. It '
            f'has {has}.'
        )
    return f'{first} {_control_sentence(student, control)}'


def _control_sentence(student: Mapping, control: Mapping) -> str:
    same = student['params'] == control['params']
    who = 'the same student' if same else 'the control, of another size,'
    gain = student['fg_ari'] - control['fg_ari']
    reached = f'{who} reaches {score(control["fg_ari"])}'
    if gain <= 0:
        return (
            f'Distillation did not help: without it {reached}, '
            f'{score(-gain)} above the student.'
        )
    if gain < UNDECIDED:
        return (
            f'Without distillation {reached}, a gap of {score(gain)} that '
            f'one seed cannot vouch for.'
        )
    return f'Without distillation {reached}.'


def _params(teacher: Mapping, student: Mapping) -> str:
    ratio = teacher['params'] / student['params']
    if ratio >= 1:
        return f'{times(ratio)} fewer parameters'
    return f'{times(1 / ratio)} more parameters'


def _speed(teacher: Mapping, student: Mapping) -> str:
    ratio = student['frames_per_s'] / teacher['frames_per_s']
    return f'{times(ratio)} the speed'


def _share(part: float | int, whole: float | int) -> str:
    return f'{math.floor(100 * part / whole)} %'


def key_figures(results: Mapping[str, Any]) -> list[KeyFigure]:
    """Return the four numbers that decide, each with its goal."""
    teacher, student, control = (results['runs'][run] for run in RUNS)
    gap = student['fg_ari'] - teacher['fg_ari']
    gain = student['fg_ari'] - control['fg_ari']
    fewer = teacher['params'] / student['params']
    faster = student['frames_per_s'] / teacher['frames_per_s']
    return [
        KeyFigure(
            value=f'{gap:+.3f}'.replace('-', '−'),
            label='FG-ARI against the teacher’s',
            detail=f'{score(student["fg_ari"])}, teacher '
            f'{score(teacher["fg_ari"])}',
            goal=f'at most {MARGIN} less',
            met=gap >= -MARGIN,
        ),
        KeyFigure(
            value=f'{gain:+.3f}'.replace('-', '−'),
            label='FG-ARI against no distillation',
            detail=f'{score(student["fg_ari"])}, control '
            f'{score(control["fg_ari"])}',
            goal='above the control',
            met=gain > 0,
        ),
        KeyFigure(
            value=times(fewer if fewer >= 1 else 1 / fewer),
            label=f'{"fewer" if fewer >= 1 else "more"} parameters',
            detail=f'{count(student["params"])}, teacher '
            f'{count(teacher["params"])}',
            goal=f'at least {FEWER:.0f}× fewer',
            met=fewer >= FEWER,
        ),
        KeyFigure(
            value=times(faster),
            label='the frames per second',
            detail=f'{rate(student["frames_per_s"])}, teacher '
            f'{rate(teacher["frames_per_s"])}',
            goal=f'at least {FASTER:.0f}×',
            met=faster >= FASTER,
        ),
    ]


def comparison_table(results: Mapping[str, Any]) -> str:
    """Return the HTML table of all numbers, with ratios to the teacher."""
    runs = results['runs']
    rows = (
        ('fg_ari', 'FG-ARI', 'higher is better', score),
        ('mbo', 'mBO', 'higher is better', score),
        ('params', 'Parameters', 'backbone included', count),
        ('frames_per_s', 'Frames per second', 'inference', rate),
        ('train_s', 'Training time', 'this run alone', duration),
    )
    head = ''.join(
        f'<th scope="col"><span class="run {run}">{run}</span></th>'
        for run in RUNS
    )
    body = ''
    for field, name, remark, show in rows:
        values = [runs[run][field] for run in RUNS]
        top = 1.0 if field in ('fg_ari', 'mbo') else max(values)
        cells = ''.join(
            _cell(run, value, values[0], top, show(value))
            for run, value in zip(RUNS, values, strict=True)
        )
        body += (
            f'<tr><th scope="row">{name}<small>{remark}</small></th>{cells}'
            f'</tr>\n'
        )
    return (
        '<table><caption>Held-out clips of '
        f'{escape(str(results["dataset"]))}; scores over whole videos, from '
        'decoder masks. Small: ratio to the teacher. Bars: scores from 0 to '
        '1, others from 0 to the largest of their row.</caption>\n'
        f'<thead><tr><td></td>{head}</tr></thead>\n<tbody>{body}</tbody>'
        '</table>'
    )


def _cell(
    run: str,
    value: float | int,
    first: float | int,
    top: float | int,
    text: str,
) -> str:
    width = 100 * min(max(value / top, 0), 1) if top > 0 else 0
    ratio = ''
    if first > 0:
        ratio = f'<small>{value / first:.2f}×</small>'
    return (
        f'<td>{text}{ratio}<span class="bar {run}" style="width:'
        f'{width:.1f}%"></span></td>'
    )


def score(value: float | int) -> str:
    """Write a score with three digits and a true minus sign.

    A video without objects has the score NaN, which is "undefined".
    """
    if math.isnan(value):
        return 'undefined'
    return f'{value:.3f}'.replace('-', '−')


def times(ratio: float | int) -> str:
    """Write a ratio, rounded down so that it never flatters."""
    digits = 2 if ratio < 2 else 1 if ratio < 10 else 0
    step = 10**digits
    return f'{math.floor(ratio * step + 1e-9) / step:.{digits}f}×'


def count(value: float | int) -> str:
    """Write a large number with three digits and a unit."""
    for size, unit in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if value >= 0.9995 * size:
            return f'{value / size:#.3g}'.rstrip('.') + f' {unit}'
    return f'{value:.0f}'


def rate(value: float | int) -> str:
    """Write frames per second."""
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'


def duration(seconds: float | int) -> str:
    """Write a time span with one digit after the point."""
    for size, unit in ((3600, 'h'), (60, 'min')):
        if seconds >= 1.5 * size:
            return f'{seconds / size:.1f} {unit}'
    return f'{seconds:.1f} s'
