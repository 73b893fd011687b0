"""The page about data sets names what is there, and names all of it."""

import re

import pytest

from slotkd.registry import DATASETS


@pytest.fixture(scope='module')
def page(repo):
    return (repo / 'docs' / 'datasets.md').read_text(encoding='utf-8')


def test_files_exist(page, repo):
    paths = set(re.findall(r'(?:configs|tools)/[\w./]+\.py', page))
    assert len(paths) > 4
    missing = [path for path in paths if not (repo / path).is_file()]
    assert missing == []


def test_configs_of_the_tables_exist(page, repo):
    folders = ('datasets', 'protocols')
    names = set(re.findall(r'`(\w+\.py)`', page))
    known = {
        path.name
        for folder in folders
        for path in (repo / 'configs' / '_base_' / folder).glob('*.py')
    }
    assert names - known == set()


def test_every_protocol_is_listed(page, repo):
    for path in (repo / 'configs' / '_base_' / 'protocols').glob('*.py'):
        assert f'`{path.name}`' in page, path.name


def test_classes_are_registered(page):
    for name in set(re.findall(r'`(\w+Dataset)`', page)):
        assert DATASETS.get(name) is not None, name
