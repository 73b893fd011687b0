"""What the structure of the package promises, checked on its source."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.registry import Registry

import slotkd
from slotkd import registry

REPO = Path(__file__).resolve().parents[1]
PACKAGE = REPO / 'slotkd'
FILES = sorted(PACKAGE.rglob('*.py'))
MODULES = [path for path in FILES if path.name != '__init__.py']

# A module imports from lower layers and from its own package. The longest
# prefix counts. The packages beside (S) never see models.
LAYERS = {
    'slotkd.__version__': 0,
    'slotkd.atomic_file': 0,
    'slotkd.compat': 0,
    'slotkd.ops.precision': 0,
    'slotkd.registry': 0.1,
    'slotkd.structures': 0.1,
    'slotkd.ops': 1,
    'slotkd.models.losses': 2,
    'slotkd.models.preprocessor': 3,
    'slotkd.models.backbones': 3,
    'slotkd.models.slots': 3,
    'slotkd.models.propagation': 3,
    'slotkd.models.queries': 4,
    'slotkd.models.video': 4,
    'slotkd.models.distillers': 5,
    'slotkd.models': 5,
    'slotkd.datasets': 1.5,
    'slotkd.evaluation': 1.5,
    'slotkd.engine': 1.5,
    'slotkd.apis': 6,
    'slotkd': 7,
}
# Parts of one layer that do not import each other.
FAMILIES = {
    package
    for package in LAYERS
    if LAYERS[package] in (1.5, 3, 4) and package != 'slotkd.models'
}
# Named in configs by string; slotkd's own code does without them.
FORBIDDEN = {'mmseg', 'mmdet', 'mmrazor', 'timm', 'torchvision', 'mmpretrain'}
MMDET_ALLOWED = 'slotkd.models.queries.mask2former'
MMCV_ALLOWED = ('mmcv.transforms', 'mmcv.image', 'mmcv.ops')
NO_NAMES = {'utils', 'misc', 'common', 'helpers', 'util'}


def module_name(path: Path) -> str:
    name = '.'.join(path.relative_to(REPO).with_suffix('').parts)
    return name.removesuffix('.__init__')


def place(name: str) -> str:
    """Return the entry of LAYERS that a module belongs to."""
    fitting = [p for p in LAYERS if name == p or name.startswith(p + '.')]
    return max(fitting, key=len)


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of everything a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            for alias in node.names:
                assert alias.name != '*', f'{path}: import *'
                yield f'{node.module}.{alias.name}'


by_file = pytest.mark.parametrize('path', FILES, ids=module_name)


@by_file
def test_imports_point_down(path):
    own = module_name(path)
    home = place(own)
    for name in imports(path):
        if not name.startswith('slotkd.'):
            continue
        other = place(name)
        if other == home or (path.name == '__init__.py' and home in other):
            continue
        below = LAYERS[other] < LAYERS[home]
        assert below, f'{own} must not import {name}: it lies above or beside'
        if home in FAMILIES:
            assert other not in FAMILIES or LAYERS[other] < LAYERS[home]
        if LAYERS[home] == 1.5:
            assert not other.startswith('slotkd.models')


@by_file
def test_other_packages_enter_by_config_only(path):
    own = module_name(path)
    for name in imports(path):
        top = name.partition('.')[0]
        if top == 'mmdet' and own == MMDET_ALLOWED:
            continue
        assert top not in FORBIDDEN, f'{own} imports {name}'
        if top == 'mmcv':
            assert name.startswith(MMCV_ALLOWED), f'{own} imports {name}'


def test_one_module_imports_mmdet_and_none_imports_that_module():
    """Without mmdet, all else works; custom_imports of configs name it."""
    names = {module_name(path): set(imports(path)) for path in FILES}
    users = [
        own
        for own, used in names.items()
        if any(name.partition('.')[0] == 'mmdet' for name in used)
    ]
    assert users == [MMDET_ALLOWED]
    for own, used in names.items():
        inside = [n for n in used if n.startswith(f'{MMDET_ALLOWED}.')]
        assert not inside and MMDET_ALLOWED not in used, own


def test_extras_are_imported_where_they_are_used():
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = getattr(node, 'module', None) or node.names[0].name
                top = names.partition('.')[0]
                assert top not in ('transformers', 'pybullet'), path
                assert not names.startswith('mmcv.ops'), path


@by_file
def test_file_opens_with_one_sentence(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert text, f'{path} has no docstring'
    first = text.partition('\n')[0]
    assert len(first) <= 79 and first.endswith('.'), first


@pytest.mark.parametrize(
    'path',
    [path for path in FILES if path.name == '__init__.py'],
    ids=module_name,
)
def test_init_holds_exports_only(path):
    body = ast.parse(path.read_text()).body
    exported: list[str] = []
    imported: list[str] = []
    for node in body:
        if isinstance(node, ast.Expr):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported += [a.asname or a.name for a in node.names]
            continue
        assert isinstance(node, ast.Assign), f'{path}: line {node.lineno}'
        target = node.targets[0]
        assert isinstance(target, ast.Name)
        assert target.id in ('__all__', '__version__')
        if target.id == '__all__':
            exported = ast.literal_eval(node.value)
        else:
            imported.append('__version__')
    assert sorted(exported) == sorted(imported)


@pytest.mark.parametrize('path', MODULES, ids=module_name)
def test_module_has_its_test(path):
    below = path.relative_to(PACKAGE)
    test = REPO / 'tests' / below.parent / f'test_{below.name}'
    assert test.is_file(), f'{test.relative_to(REPO)} is missing'
    assert path.stem not in NO_NAMES


def test_test_files_have_unique_names():
    names = [path.name for path in (REPO / 'tests').rglob('test_*.py')]
    assert len(names) == len(set(names))


def registered() -> dict[str, type]:
    """Return every class of slotkd in a registry of slotkd."""
    for info in pkgutil.walk_packages(slotkd.__path__, 'slotkd.'):
        importlib.import_module(info.name)
    nodes = [v for v in vars(registry).values() if isinstance(v, Registry)]
    return {
        name: cls
        for node in nodes
        for name, cls in node.module_dict.items()
        if cls.__module__.startswith('slotkd.')
    }


CLASSES = registered()
by_class = pytest.mark.parametrize('name', sorted(CLASSES))


@by_class
def test_registered_class_takes_named_arguments(name):
    kinds = {
        p.kind for p in inspect.signature(CLASSES[name]).parameters.values()
    }
    assert inspect.Parameter.VAR_KEYWORD not in kinds, f'{name} has **kwargs'
    assert inspect.Parameter.VAR_POSITIONAL not in kinds, f'{name} has *args'


@by_class
def test_registered_class_is_keyword_only_after_two(name):
    if name in registry.INFERENCERS.module_dict:
        return  # An inferencer takes what init_model takes.
    signature = inspect.signature(CLASSES[name])
    positional = [
        p.name
        for p in signature.parameters.values()
        if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    assert len(positional) <= 2, f'{name}: {positional}'


def documented(thing: object) -> set[str]:
    """Return the names in the Args section of a docstring."""
    text = (inspect.getdoc(thing) or '') + '\n'
    section = re.search(r'^Args:\n((?:    .*\n|\n)*)', text, re.M)
    if section is None:
        return set()
    return set(re.findall(r'^    (\w+)[,:]', section[1], re.M))


@by_class
def test_registered_class_documents_its_arguments(name):
    """Itself, or in the functions and classes that its docstring names."""
    cls = CLASSES[name]
    text = inspect.getdoc(cls) or ''
    first = text.partition('\n')[0]
    assert first.endswith('.'), f'{name}: {first!r}'
    module = vars(importlib.import_module(cls.__module__))
    told = documented(cls)
    for other in re.findall(r':(?:func|class):`([\w.]+)`', text):
        told |= documented(module.get(other.rpartition('.')[2]))
    if '__init__' in vars(cls):
        missing = set(inspect.signature(cls).parameters) - told
        assert not missing, f'{name} does not say what {missing} are'


@by_class
def test_registered_class_is_exported(name):
    cls = CLASSES[name]
    if cls.__module__ == MMDET_ALLOWED:
        return  # Its package must import where mmdet is not installed.
    package = importlib.import_module(cls.__module__.rpartition('.')[0])
    if cls.__module__ == 'slotkd.models.preprocessor':
        package = slotkd.models
    assert name in package.__all__


@by_class
def test_models_and_losses_name_their_source(name):
    if name not in registry.MODELS.module_dict:
        return
    assert 'Source:' in (CLASSES[name].__doc__ or ''), name


def public_functions(package: str) -> Iterator[tuple[str, str]]:
    for path in sorted((PACKAGE / package).rglob('*.py')):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name[0] != '_':
                yield f'{path.stem}.{node.name}', ast.get_docstring(node) or ''


@pytest.mark.parametrize('package', ['ops', 'models/losses'])
def test_maths_is_documented(package):
    functions = dict(public_functions(package))
    assert functions
    without = [name for name, text in functions.items() if not text]
    assert without == []


def tracked() -> list[Path]:
    done = subprocess.run(
        ['git', 'ls-files'], cwd=REPO, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip('not a git checkout')
    return [REPO / line for line in done.stdout.splitlines()]


def test_no_file_names_a_machine():
    # Split, or this file would name one.
    machine = re.compile(r'/(wo' r'rk|ho' r'me|ro' r'ot|Us' r'ers)/\w')
    for path in tracked():
        if path.suffix in ('.py', '.md', '.sh', '.txt', '.toml', '.html', ''):
            for line in path.read_text(encoding='utf-8').splitlines():
                assert not machine.search(line), f'{path}: {line.strip()}'


def test_no_large_file_is_tracked():
    for path in tracked():
        if path.is_file():
            assert path.stat().st_size < 1_000_000, path
