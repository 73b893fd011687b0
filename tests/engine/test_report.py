import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from slotkd.engine.report import describe_machine, write_report
from slotkd.engine.report_clips import ReportClip

RUN = dict(fg_ari=0.88, mbo=0.7, params=160_000, frames_per_s=900.0)
RESULTS = dict(
    dataset='MovingShapes',
    seed=3,
    wall_s=612.0,
    runs=dict(
        teacher=dict(RUN, train_s=200.0),
        student=dict(RUN, fg_ari=0.86, params=40_000, train_s=100.0),
        control=dict(RUN, fg_ari=0.61, params=40_000, train_s=90.0),
    ),
)
CURVES = dict(
    teacher=dict(fg_ari=[(100, 0.4), (200, 0.88)]),
    student=dict(fg_ari=[(100, 0.3), (200, 0.86)], loss_slot_match=[(1, 0.9)]),
    control=dict(fg_ari=[(100, 0.2), (200, 0.61)]),
)


def clip(name: str = 'shapes', frames: int = 5) -> ReportClip:
    rng = np.random.default_rng(0)
    shape = (frames, 6, 8)
    columns = ('ground truth', 'teacher', 'student', 'control')
    return ReportClip(
        video_id=name,
        frames=rng.integers(0, 256, (*shape, 3), dtype=np.uint8),
        labels={name: rng.integers(0, 4, shape) for name in columns},
        scores={'student': {'fg_ari': 0.75}},
    )


class Page(HTMLParser):
    """What a page holds: its tags with attributes, and its text."""

    VOID = ('meta', 'img', 'input', 'link', 'br', 'wbr', 'path', 'line')

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ''
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def written(tmp_path, results=RESULTS, curves=CURVES, clips=None, **options):
    path = tmp_path / 'report.html'
    clips = [clip()] if clips is None else clips
    options = dict(title='A demo', **options)
    write_report(path, results, curves, clips, **options)
    return path.read_text(encoding='utf-8')


def test_the_page_fetches_nothing(tmp_path):
    html = written(tmp_path, facts=describe_machine())
    page = Page(html)
    assert page.open == []
    code = re.sub(r'base64,[\w+/=]+', '', html)
    assert not re.findall(r'https?:|//\w|@import|url\(|fetch\(', code)
    assert not page.all('link') and not page.all('iframe')
    for tag, attrs in page.tags:
        assert tag != 'a' or attrs['href'].startswith('#')
        assert attrs.get('src', 'data:').startswith('data:')
    policies = [
        meta['content'] for meta in page.all('meta') if 'http-equiv' in meta
    ]
    assert policies and "default-src 'none'" in policies[0]


def test_the_page_shows_numbers_curves_clips_and_making(tmp_path):
    facts = dict(command='make demo', **describe_machine())
    text = Page(written(tmp_path, facts=facts, notes=['A caveat.'])).text
    for part in (
        'A demo',
        'A caveat.',
        '97 % of the teacher’s FG-ARI',
        'without distillation the same student reaches 0.610',
        'MovingShapes, seed 3',
        '10.2 min',
        'make demo',
        'torch',
        'SlotMatch loss',
        'FG-ARI on held-out clips',
        '5 frames, 3 objects',
        'FG-ARI 0.750',
    ):
        assert part.lower() in text.lower(), part


def test_every_picture_has_words_and_every_control_a_name(tmp_path):
    page = Page(written(tmp_path))
    assert all(image['alt'] for image in page.all('img'))
    charts = [svg for svg in page.all('svg') if svg.get('role') == 'img']
    assert len(charts) == 2
    assert all('ends at' in chart['aria-label'] for chart in charts)
    labelled = [tag for tag, _ in page.tags]
    assert labelled.count('label') == labelled.count('input') == 2
    assert page.all('html')[0]['lang'] == 'en'
    headings = {heading['id'] for heading in page.all('h2')}
    sections = {part['aria-labelledby'] for part in page.all('section')}
    assert headings == sections


def test_sprites_hold_all_frames_of_all_columns(tmp_path):
    page = Page(written(tmp_path, clips=[clip(frames=5)]))
    images = [
        Image.open(io.BytesIO(base64.b64decode(image['src'].split(',')[1])))
        for image in page.all('img')
    ]
    assert [image.size for image in images] == [(24, 12)] * 5
    figures = [f for f in page.all('figure') if f['class'] == 'clip']
    assert figures[0]['data-frames'] == '5'
    assert figures[0]['data-columns'] == '3'


def test_the_slider_reaches_the_last_frame_of_the_longest_clip(tmp_path):
    clips = [clip('a', frames=2), clip('b', frames=7)]
    page = Page(written(tmp_path, clips=clips))
    assert [i['max'] for i in page.all('input') if 'max' in i] == ['6']


def test_what_users_write_is_escaped(tmp_path):
    evil = '<script>alert("$headline")</script>&'
    html = written(
        tmp_path,
        results=dict(RESULTS, dataset=evil),
        curves=dict(student={evil: [(1, 1.0), (2, 0.5)]}),
        clips=[clip(evil)],
        facts={evil: evil},
        notes=[evil],
    )
    page = Page(html)
    assert len(page.all('script')) == 1
    assert evil not in html
    assert page.text.count(evil) >= 5
    assert evil in page.all('img')[0]['alt']


def test_series_have_titles(tmp_path):
    names = ('loss', 'loss_srl_boundary', 'grad_norm', 'loss_recon', 'mbo')
    series = {name: [(0, 1.0), (1, 0.5)] for name in names}
    page = Page(written(tmp_path, curves=dict(control=series)))
    charts = [
        svg['aria-label']
        for svg in page.all('svg')
        if svg.get('role') == 'img'
    ]
    assert [chart.split(' over ')[0] for chart in charts] == [
        'mBO on held-out clips',
        'Total loss',
        'Srl boundary loss',
        'Grad norm',
        'Reconstruction loss',
    ]


def test_nothing_to_draw_is_said(tmp_path):
    text = Page(written(tmp_path, curves={}, clips=[])).text
    assert 'No curve was recorded.' in text
    assert 'No clip was recorded.' in text
    curves = dict(student=dict(loss_recon=[(1, float('nan'))]))
    assert 'No finite value' in Page(written(tmp_path, curves=curves)).text


def test_wrong_input_leaves_the_old_report(tmp_path):
    before = written(tmp_path)
    with pytest.raises(ValueError, match="'pupil', which is none of teacher"):
        written(tmp_path, curves=dict(pupil=dict(fg_ari=[(1, 0.5)])))
    runs = dict(RESULTS['runs'])
    del runs['control']
    with pytest.raises(ValueError, match="lack 'control'"):
        written(tmp_path, results=dict(RESULTS, runs=runs))
    assert (tmp_path / 'report.html').read_text(encoding='utf-8') == before
    assert [path.name for path in tmp_path.iterdir()] == ['report.html']


def test_text_has_contrast_in_light_and_dark(tmp_path):
    html = written(tmp_path)
    light, dark = (
        dict(re.findall(r'--(\w+): (#\w{6});', block))
        for block in re.findall(r':root \{(.*?)\}', html, re.S)
    )
    assert light.keys() == dark.keys()
    names = ('ink', 'soft', 'missed', 'teacher', 'student', 'control')
    for scheme in (light, dark):
        paper = luminance(scheme['paper'])
        for name in names:
            low, high = sorted((luminance(scheme[name]), paper))
            assert (high + 0.05) / (low + 0.05) >= 4.5, name


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(
        parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4
    )
    return float(linear @ [0.2126, 0.7152, 0.0722])
