"""What docs/ookd.md shows runs, and what it names is there."""

import re

import pytest

from slotkd.models.losses.query_pairs import QueryAssociation
from tests.conftest import REPO

PAGE = (REPO / 'docs' / 'ookd.md').read_text(encoding='utf-8')
CONFIGS = REPO / 'configs' / 'ookd'


def test_the_stream_runs(monkeypatch):
    monkeypatch.chdir(REPO)
    (block,) = re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL)
    names: dict = {}
    exec(block, names)
    assert names['tracks'].masks.shape[1:] == (64, 64)
    assert int(names['state'].seen.max()) == 5


def test_every_config_is_listed_and_no_other():
    named = set(re.findall(r'`([\w-]+_\dxb\d[\w-]+\.py)`', PAGE))
    assert named == {path.name for path in CONFIGS.glob('*.py')}


def test_files_it_names_exist():
    named = re.findall(r'(?:configs|tools|tests)/[\w./-]+\.py', PAGE)
    assert named
    for name in named:
        assert (REPO / name).is_file(), name


def test_options_and_classes_exist():
    options = set(re.findall(r'^\| (.*?) \|', PAGE, re.MULTILINE))
    words = {w for cell in options for w in re.findall(r'`(\w+)`', cell)}
    assert set(vars(QueryAssociation())) <= words
    code = '\n'.join(p.read_text() for p in (REPO / 'slotkd').rglob('*.py'))
    for name in set(re.findall(r'`([A-Z][a-z]\w+)(?:\(.*?\))?`', PAGE)):
        assert re.search(rf'^class {name}\b', code, re.MULTILINE), name


@pytest.mark.parametrize('name', ['cls_thr', 'tube_iou_thr', 'min_cells'])
def test_defaults_are_the_codes(name):
    (shown,) = re.findall(rf'^\| `{name}` \| ([\d.]+) \|', PAGE, re.MULTILINE)
    assert float(shown) == getattr(QueryAssociation(), name)
