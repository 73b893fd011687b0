"""The report of a distillation run: one HTML file that needs no network."""

import platform
from collections.abc import Mapping, Sequence
from html import escape
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from slotkd.atomic_file import write_atomically
from slotkd.engine.report_clips import ReportClip, clip_figure
from slotkd.engine.report_numbers import (
    RUNS,
    check_results,
    comparison_table,
    duration,
    headline,
    key_figures,
)
from slotkd.engine.report_svg import Points, last_value, line_chart, thin

SERIES = {
    'fg_ari': 'FG-ARI on held-out clips',
    'mbo': 'mBO on held-out clips',
    'loss': 'Total loss',
    'loss_recon': 'Reconstruction loss',
    'loss_slot_match': 'SlotMatch loss',
    'loss_slot_contrast': 'Slot contrast loss',
}
SCORE_SERIES = ('fg_ari', 'mbo')
PACKAGES = ('slotkd', 'torch', 'mmengine', 'numpy')


def write_report(
    path: str | Path,
    results: Mapping[str, Any],
    curves: Mapping[str, Mapping[str, Points]],
    clips: Sequence[ReportClip],
    *,
    title: str,
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write the report of teacher, student and control to one HTML file.

    Nothing is written unless all input is sound. The page fetches nothing:
    pictures, styles and script are inside, and its own policy forbids the
    browser to ask for more.

    Args:
        path: The file; an older one is replaced as a whole.
        results: The object of ``results.json``.
        curves: Run -> series -> (iteration, value) in rising order. Series
            named ``fg_ari`` and ``mbo`` are scores, others are losses.
        clips: Held-out clips to show, best few.
        title: Heading of the page.
        facts: What else is to be known of the making, by name; as
            ``dict(command='make demo', **describe_machine())``.
        notes: Remarks, a paragraph each, below the headline.

    Raises:
        ValueError: If a result is missing or not finite, or a curve belongs
            to no run; names the key.
    """
    page = render_report(
        results, curves, clips, title=title, facts=facts, notes=notes
    )
    write_atomically(page.encode(), path)


def render_report(
    results: Mapping[str, Any],
    curves: Mapping[str, Mapping[str, Points]],
    clips: Sequence[ReportClip],
    *,
    title: str,
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Return the page of :func:`write_report`, whose arguments it takes."""
    check_results(results)
    unknown = sorted(set(curves) - set(RUNS))
    if unknown:
        raise ValueError(
            f'curves of {unknown[0]!r}, which is none of {", ".join(RUNS)}'
        )
    source = files('slotkd.engine').joinpath('report.html')
    dataset, seed = escape(str(results['dataset'])), results['seed']
    return Template(source.read_text(encoding='utf-8')).substitute(
        title=escape(title),
        kicker=f'{dataset}, seed {escape(str(seed))}',
        headline=escape(headline(results)),
        notes=''.join(f'<p>{escape(note)}</p>\n' for note in notes),
        figures=_figures(results),
        table=comparison_table(results),
        curves=_curves(curves),
        clips=''.join(clip_figure(clip) for clip in clips)
        or '<p>No clip was recorded.</p>',
        last_frame=max((len(clip.frames) for clip in clips), default=1) - 1,
        facts=_facts(results, facts or {}),
    )


def describe_machine() -> dict[str, str]:
    """Return the versions and the machine for ``facts``.

    Packages are asked themselves: forks have other names in the metadata.
    """
    return {
        'versions': ', '.join(
            [f'Python {platform.python_version()}']
            + [f'{p} {import_module(p).__version__}' for p in PACKAGES]
        ),
        'machine': f'{platform.system()} {platform.machine()}',
    }


def _figures(results: Mapping[str, Any]) -> str:
    html = ''
    for figure in key_figures(results):
        verdict = 'met' if figure.met else 'missed'
        html += (
            f'<div><dt>{figure.label}</dt><dd class="value">{figure.value}'
            f'</dd><dd>{figure.detail}</dd><dd class="goal {verdict}">Goal '
            f'{verdict}: {figure.goal}</dd></div>\n'
        )
    return html


def _curves(curves: Mapping[str, Mapping[str, Points]]) -> str:
    """Return a chart for each series, scores first."""
    names = dict.fromkeys(name for run in RUNS for name in curves.get(run, ()))
    ordered = sorted(names, key=lambda name: name not in SCORE_SERIES)
    columns = 2 if len(ordered) in (1, 2, 4) else 3
    charts = ''.join(
        _chart(
            name,
            {
                run: curves[run][name]
                for run in RUNS
                if name in curves.get(run, ())
            },
            470 if columns == 2 else 320,
        )
        for name in ordered
    )
    if not charts:
        return '<p>No curve was recorded.</p>'
    return f'<div class="charts of{columns}">{charts}</div>'


def _chart(name: str, lines: Mapping[str, Points], width: int) -> str:
    title = SERIES.get(name) or _series_title(name)
    svg = line_chart(
        lines, title=title, unit_range=name in SCORE_SERIES, width=width
    )
    ends = ', '.join(
        f'<span class="last"><span class="run {run}">{run}</span> '
        f'{last_value(thin(points)):.3g}</span>'
        for run, points in lines.items()
    )
    body = svg or '<p>No finite value was recorded.</p>'
    return (
        f'<figure class="chart"><figcaption><b>{escape(title)}</b> Last: '
        f'{ends}</figcaption>{body}</figure>\n'
    )


def _series_title(name: str) -> str:
    words = name.removeprefix('loss_').replace('_', ' ').capitalize()
    return f'{words} loss' if name.startswith('loss_') else words


def _facts(results: Mapping[str, Any], facts: Mapping[str, str]) -> str:
    rows = {
        'data': str(results['dataset']),
        'seed': str(results['seed']),
        'wall time': duration(results['wall_s']),
        **facts,
    }
    return ''.join(
        f'<div><dt>{escape(name.capitalize())}</dt>'
        f'<dd>{escape(str(value))}</dd></div>\n'
        for name, value in rows.items()
    )
