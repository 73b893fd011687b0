import math
import re
from itertools import pairwise

import pytest

from slotkd.engine.report_svg import (
    last_value,
    line_chart,
    linear_ticks,
    log_ticks,
    thin,
)


def path_of(svg: str, name: str) -> list[tuple[str, float, float]]:
    text = re.search(rf'class="line {name}"><path d="([^"]*)"', svg)[1]
    return [
        (pen, float(x), float(y))
        for pen, x, y in re.findall(r'([ML])([\d.]+) ([\d.]+)', text)
    ]


def labels_of(svg: str) -> dict[str, float]:
    found = re.findall(r'class="label (\w+)" x="[\d.]+" y="([\d.]+)"', svg)
    return {name: float(y) for name, y in found}


def test_points_are_placed_on_the_axes():
    svg = line_chart(
        {'student': [(0, 0.0), (50, 0.5), (100, 1.0)]},
        title='FG-ARI',
        unit_range=True,
        width=408,
        height=264,
    )
    assert path_of(svg, 'student') == [
        ('M', 46.0, 224.0),
        ('L', 196.0, 124.0),
        ('L', 346.0, 24.0),
    ]
    assert 'aria-label="FG-ARI over iterations: student ends at 1."' in svg


def test_values_that_are_not_finite_break_the_line():
    points = [(0, 1.0), (1, 2.0), (2, math.nan), (3, math.inf), (4, 1.0)]
    svg = line_chart({'student': points}, title='loss')
    assert [pen for pen, _, _ in path_of(svg, 'student')] == ['M', 'L', 'M']
    assert 'nan' not in svg and 'inf' not in svg


def test_a_line_without_a_finite_value_is_left_out():
    lines = {'student': [(0, math.nan)], 'control': [(0, 1.0)], 'teacher': []}
    svg = line_chart(lines, title='loss')
    assert labels_of(svg).keys() == {'control'}
    assert line_chart({'student': [(0, math.nan)]}, title='loss') == ''
    assert line_chart({}, title='loss') == ''


@pytest.mark.parametrize('ends', [(0.5, 0.5, 0.5), (0.0, 0.01, 0.02)])
def test_labels_do_not_overlap_nor_leave_the_chart(ends):
    lines = {
        name: [(0, 0.2), (10, end)]
        for name, end in zip('abc', ends, strict=True)
    }
    svg = line_chart(lines, title='FG-ARI', unit_range=True, height=260)
    places = sorted(labels_of(svg).values())
    assert all(b - a >= 14.9 for a, b in pairwise(places))
    assert places[0] > 0 and places[-1] < 230


def test_wide_ranges_of_positive_values_are_logarithmic():
    wide = line_chart({'student': [(0, 1.0), (9, 0.01)]}, title='loss')
    narrow = line_chart({'student': [(0, 1.0), (9, 0.5)]}, title='loss')
    signed = line_chart({'student': [(0, 1.0), (9, -1.0)]}, title='loss')
    assert 'log scale' in wide
    assert 'log scale' not in narrow + signed
    scores = line_chart(
        {'student': [(0, 0.01), (9, 0.9)]}, title='FG-ARI', unit_range=True
    )
    assert 'log scale' not in scores


@pytest.mark.parametrize(
    'points',
    [
        [(7, 3.0)],
        [(0, 0.0), (5, 0.0)],
        [(0, -2.0), (5, -1.0)],
        [(0, 1e-30), (5, 1e30)],
        [(0, 1e9), (10**7, 1.1e9)],
    ],
)
def test_odd_ranges_stay_inside_the_chart(points):
    svg = line_chart({'student': points}, title='loss', width=470, height=260)
    for _, x, y in path_of(svg, 'student'):
        assert 46 <= x <= 408 and 24 <= y <= 220
    assert 1 <= svg.count('class="grid"') <= 9


def test_long_curves_are_averaged():
    points = [(step, float(step % 2)) for step in range(1000)]
    points[3] = (3, math.nan)
    short = thin(points)
    assert len(short) <= 120
    assert short[1] == (13.0, 5 / 9)
    assert short[0] == (4.0, 3 / 8)
    assert thin(points[4:120]) == points[4:120]
    assert last_value(short) == short[-1][1]
    assert math.isnan(last_value([(0, math.nan)]))


def test_ticks_are_round_and_within_reach():
    assert linear_ticks(0, 1, 5) == pytest.approx((0, 0.2, 0.4, 0.6, 0.8, 1))
    assert linear_ticks(-3, 7, 4) == pytest.approx((-2.5, 0, 2.5, 5))
    assert log_ticks(0.03, 0.9) == pytest.approx((0.02, 0.05, 0.1, 0.2, 0.5))
    ticks = log_ticks(1e-30, 1e30)
    assert ticks[0] == pytest.approx(1e-30) and len(ticks) <= 7
