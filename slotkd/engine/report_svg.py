"""Line charts as inline SVG, coloured by the page they stand in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

Number = float | int
Points = Sequence[tuple[Number, Number]]

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 62, 24, 40
_LABEL_GAP = 15  # px between the labels at the lines' ends
_MAX_POINTS = 120
_FEW_POINTS = 16  # so few are marked by dots


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a chart.

    Args:
        low: Value at its start.
        high: Value at its end.
        ticks: Values with a mark.
        start: Pixel of ``low``.
        end: Pixel of ``high``.
        log: Whether equal ratios take equal space.
    """

    low: Number
    high: Number
    ticks: tuple[Number, ...]
    start: Number
    end: Number
    log: bool = False

    def place(self, value: Number) -> Number:
        """Return the pixel of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = (math.log(v) for v in (low, high, value))
        share = (value - low) / (high - low)
        return self.start + share * (self.end - self.start)


def line_chart(
    lines: Mapping[str, Points],
    *,
    title: str,
    unit_range: bool = False,
    width: int = 470,
    height: int = 260,
) -> str:
    """Draw curves over iterations, each labelled at its end.

    A line has the CSS classes ``line`` and its own name. Long curves become
    means over equal stretches of iterations. The vertical axis starts at 0,
    or is logarithmic where positive values span more than a factor of ten.

    Args:
        lines: Name -> (iteration, value) in rising order; what is not finite
            breaks the line.
        title: What the values are; read out by screen readers together with
            the last value of each line.
        unit_range: Whether the values are scores, drawn from 0 to 1.
        width: Pixels.
        height: Pixels.

    Returns:
        An ``svg`` element, or an empty string where no value is finite.
    """
    drawn = {name: thin(points) for name, points in lines.items()}
    drawn = {n: p for n, p in drawn.items() if any(map(_finite, p))}
    if not drawn:
        return ''
    steps = [step for name in drawn for step, _ in lines[name]]
    values = [v for p in drawn.values() for _, v in filter(_finite, p)]
    x = _steps_axis(min(0, *steps), max(steps), width)
    y = _values_axis(min(values), max(values), unit_range, height)
    paths = ''.join(
        _line(name, points, x, y) for name, points in drawn.items()
    )
    last = ', '.join(
        f'{name} ends at {last_value(points):.3g}'
        for name, points in drawn.items()
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="'
        f'{escape(title)} over iterations: {escape(last)}.">'
        f'{_grid(x, y)}{paths}{_end_labels(drawn, x, y)}</svg>'
    )


def last_value(points: Points) -> Number:
    """Return the last finite value, NaN where there is none."""
    values = [value for _, value in points if math.isfinite(value)]
    return values[-1] if values else math.nan


def thin(points: Points) -> list[tuple[Number, Number]]:
    """Average a curve over at most 120 stretches of equally many points.

    A stretch stands at the middle of its iterations; one without a finite
    value is NaN.
    """
    if len(points) <= _MAX_POINTS:
        return [(float(step), float(value)) for step, value in points]
    size = math.ceil(len(points) / _MAX_POINTS)
    return [
        _mean(points[start : start + size])
        for start in range(0, len(points), size)
    ]


def _mean(stretch: Points) -> tuple[Number, Number]:
    values = [value for _, value in stretch if math.isfinite(value)]
    middle = (stretch[0][0] + stretch[-1][0]) / 2
    return middle, sum(values) / len(values) if values else math.nan


def _finite(point: tuple[Number, Number]) -> bool:
    return math.isfinite(point[1])


def _steps_axis(low: Number, high: Number, width: int) -> Axis:
    high = high if high > low else low + 1
    return Axis(
        low=low,
        high=high,
        ticks=linear_ticks(low, high, 4),
        start=_LEFT,
        end=width - _RIGHT,
    )


def _values_axis(
    low: Number, high: Number, unit_range: bool, height: int
) -> Axis:
    log = not unit_range and low > 0 and high > 10 * low
    if log:
        ticks = log_ticks(low, high)
        low, high = ticks[0], max(ticks[-1], high)
    else:
        low, high = min(low, 0.0), max(high, 1.0 if unit_range else 0.0)
        high = high if high > low else low + 1
        ticks = linear_ticks(low, high, 5)
    return Axis(
        low=low,
        high=high,
        ticks=ticks,
        start=height - _BOTTOM,
        end=_TOP,
        log=log,
    )


def linear_ticks(low: Number, high: Number, about: int) -> tuple[Number, ...]:
    """Return round values within a range, about so many."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(step * index for index in range(first, last + 1))


def log_ticks(low: Number, high: Number) -> tuple[Number, ...]:
    """Return values 1, 2, 5, 10, ... up to a range's end, seven or so.

    The first lies at or below the range.
    """
    first, last = (math.floor(math.log10(v)) for v in (low, high))
    decades = [10.0**power for power in range(first, last + 1)]
    for marks in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * d for d in decades for m in marks if m * d <= high]
        below = sum(tick <= low for tick in ticks)
        ticks = ticks[below - 1 :]
        if len(ticks) <= 7:
            break
    return tuple(ticks[:: math.ceil(len(ticks) / 7)])


def _number(value: Number) -> str:
    if abs(value) >= 10_000:
        return f'{value / 1000:g}k'
    return f'{value:.6g}'.replace('-', '−')


def _grid(x: Axis, y: Axis) -> str:
    marks = []
    if y.log:
        marks.append('<text class="tick" x="0" y="9">log scale</text>')
    for value in y.ticks:
        place = y.place(value)
        marks.append(
            f'<line class="grid" x1="{x.start}" x2="{x.end}" y1="{place:.1f}" '
            f'y2="{place:.1f}"/><text class="tick" text-anchor="end" '
            f'x="{x.start - 8}" y="{place + 4:.1f}">{_number(value)}</text>'
        )
    for value in x.ticks:
        place = x.place(value)
        marks.append(
            f'<line class="axis" x1="{place:.1f}" x2="{place:.1f}" '
            f'y1="{y.start}" y2="{y.start + 5}"/><text class="tick" '
            f'text-anchor="middle" x="{place:.1f}" y="{y.start + 19}">'
            f'{_number(value)}</text>'
        )
    marks.append(
        f'<line class="axis" x1="{x.start}" x2="{x.end}" y1="{y.start}" '
        f'y2="{y.start}"/><text class="tick" text-anchor="middle" '
        f'x="{(x.start + x.end) / 2}" y="{y.start + 36}">iteration</text>'
    )
    return ''.join(marks)


def _line(
    name: str, points: list[tuple[Number, Number]], x: Axis, y: Axis
) -> str:
    path, pen_down, dots = '', False, ''
    last = [point for point in points if _finite(point)][-1]
    for point in points:
        if not _finite(point):
            pen_down = False
            continue
        place = f'{x.place(point[0]):.1f} {y.place(point[1]):.1f}'
        path += f'{"L" if pen_down else "M"}{place}'
        pen_down = True
        if point is last or len(points) <= _FEW_POINTS:
            cx, cy = place.split()
            dots += f'<circle cx="{cx}" cy="{cy}" r="2.8"/>'
    return f'<g class="line {escape(name)}"><path d="{path}"/>{dots}</g>'


def _end_labels(
    lines: Mapping[str, list[tuple[Number, Number]]], x: Axis, y: Axis
) -> str:
    """Write each name beside the end of its line, without overlap."""
    ends = sorted(
        (y.place(last_value(points)), name) for name, points in lines.items()
    )
    places: list[Number] = []
    for place, _ in ends:
        above = places[-1] + _LABEL_GAP if places else -math.inf
        places.append(max(place, above))
    limit = y.start
    for index in reversed(range(len(places))):
        places[index] = min(places[index], limit)
        limit = places[index] - _LABEL_GAP
    return ''.join(
        f'<text class="label {escape(name)}" x="{x.end + 8}" '
        f'y="{place + 4:.1f}">{escape(name)}</text>'
        for place, (_, name) in zip(places, ends, strict=True)
    )
