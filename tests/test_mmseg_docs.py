"""What docs/mmseg.md shows runs, and what it says of errors is so."""

import re
import uuid

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, DefaultScope

from tests import toy_frames
from tests.conftest import REPO

PAGE = (REPO / 'docs' / 'mmseg.md').read_text(encoding='utf-8')
BLOCKS = re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL)
WRONG = re.compile(r'^# KeyError: .(.*)$', re.MULTILINE)


@pytest.fixture
def frames(tmp_path, monkeypatch):
    """Write the frames of the page's data set where its paths point."""
    monkeypatch.chdir(tmp_path)
    toy_frames.write_frames(tmp_path / 'data', {'a': 3, 'b': 2})


def test_there_are_blocks_of_each_kind():
    text = '\n'.join(BLOCKS)
    assert text.count('custom_imports') >= 1
    assert text.count('\nmodel = ') >= 7
    assert text.count('\ndataset = ') >= 2
    assert len(WRONG.findall(text)) >= 2


@pytest.mark.parametrize('block', BLOCKS, ids=range(len(BLOCKS)))
def test_block_builds_or_fails_as_it_says(block, frames):
    cfg = Config.fromstring(block, '.py')
    if 'default_scope' in cfg:
        name = f'docs-{uuid.uuid4()}'
        DefaultScope.get_instance(name, scope_name=cfg.default_scope)
    wrong = WRONG.search(block)
    if wrong:
        with pytest.raises(KeyError, match=re.escape(wrong[1])):
            MODELS.build(cfg.model)
    elif 'model' in cfg:
        assert MODELS.build(cfg.model)
    elif 'dataset' in cfg:
        item = DATASETS.build(cfg.dataset)[0]
        assert {'inputs', 'data_samples'} <= set(item)
    else:
        assert cfg.custom_imports.imports == ['slotkd']


def test_patterns_of_videos_fit_the_names_beside_them():
    rows = re.findall(
        r'^\| .*?`([^`]*\d\.\w+|\S+_leftImg8bit\.png)` \| `r'
        r"'([^']+)'`",
        PAGE,
        re.MULTILINE,
    )
    assert len(rows) == 2
    for path, pattern in rows:
        match = re.search(pattern, path.replace('<video>', 'v'))
        assert match and match['video'] in ('v', 'aachen_000000')


def test_files_it_names_exist():
    named = {
        *re.findall(r'\]\(([^)#:]+)\)', PAGE),
        *re.findall(
            r'`((?:configs|tools|tests|slotkd|examples)/[\w./-]+)`', PAGE
        ),
    }
    assert named
    for name in named - {'tools/train.py', 'tools/test.py'}:
        here = (REPO / name).exists() or (REPO / 'docs' / name).exists()
        assert here, name
