"""Where a type name is looked up: scopes, prefixes and misspellings."""

import subprocess
import sys

import pytest
from mmengine import registry as mmengine_registry
from mmengine.registry import DefaultScope, Registry
from torch import nn

from slotkd import compat, registry
from slotkd.models.video import SlotVideoModel
from tests import tiny

ROOT = mmengine_registry.MODELS
HEAD = dict(
    type='mmseg.FCNHead', in_channels=4, channels=4, num_classes=2, num_convs=1
)
SCOPED_LOSS = dict(type='mmseg.CrossEntropyLoss')
BACKBONE = dict(
    type='mmseg.MobileNetV2', out_indices=(0, 1), widen_factor=0.25
)


@pytest.fixture(autouse=True)
def quiet_probe():
    """Register a slotkd backbone that obeys mmseg's contract."""

    class ProbeBackbone(nn.Module):
        def forward(self, images):
            return (images,)

    class ProbeDistiller(nn.Module):
        def __init__(self, student):
            super().__init__()
            self.student = ROOT.build(student)

    for cls in (ProbeBackbone, ProbeDistiller):
        registry.MODELS.register_module(module=cls)
    yield
    for name in ('ProbeBackbone', 'ProbeDistiller'):
        registry.MODELS.module_dict.pop(name)


def scope(name: str) -> None:
    DefaultScope.get_instance(f'registry-test-{name}', scope_name=name)


def children() -> dict[str, Registry]:
    return {
        name: value
        for name, value in vars(registry).items()
        if isinstance(value, Registry)
    }


def test_there_is_a_child_for_each_root_that_mmseg_has_too():
    from mmseg import registry as mmseg_registry

    expected = {n for n in dir(mmseg_registry) if n.isupper()}
    assert len(children()) == 21
    assert set(children()) >= expected - {'STRATEGIES'}
    for name, child in children().items():
        assert child.parent is getattr(mmengine_registry, name)
        assert child.scope == 'slotkd'


FIRST_USE = """
import slotkd
from mmengine import registry
from mmengine.registry import DefaultScope
DefaultScope.get_instance('x', scope_name='slotkd')
for name, kind in {
    'PARAM_SCHEDULERS': 'WarmupDecayLR',
    'OPTIM_WRAPPER_CONSTRUCTORS': 'SlotKDOptimWrapperConstructor',
    'HOOKS': 'AtomicCheckpointHook',
    'METRICS': 'ObjectDiscoveryMetric',
    'TRANSFORMS': 'PackVideoInputs',
    'DATASETS': 'MovingShapes',
    'MODELS': 'SlotVideoModel',
}.items():
    with getattr(registry, name).switch_scope_and_registry(None) as node:
        assert node.get(kind).__name__ == kind
"""


def run_python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_first_use_imports_what_is_registered():
    """In a fresh process, where nothing but slotkd is imported."""
    done = run_python(FIRST_USE)
    assert done.returncode == 0, done.stderr
    assert 'Failed to search registry' not in done.stdout + done.stderr


def test_mmseg_scope_takes_a_slotkd_prefix():
    scope('mmseg')
    built = ROOT.build(dict(type='slotkd.ProbeBackbone'))
    assert type(built).__name__ == 'ProbeBackbone'


def test_a_prefix_moves_one_type_only():
    scope('mmseg')
    student = dict(type='ProbeBackbone')
    with pytest.raises(KeyError, match='mmseg::model registry'):
        ROOT.build(dict(type='slotkd.ProbeDistiller', student=student))


def test_a_scope_moves_the_whole_tree():
    scope('mmseg')
    built = ROOT.build(
        dict(
            type='ProbeDistiller',
            _scope_='slotkd',
            student=dict(type='ProbeBackbone'),
        )
    )
    assert type(built.student).__name__ == 'ProbeBackbone'


def test_slotkd_parts_build_below_a_prefix_alone():
    """Ours always build through slotkd's own registry."""
    scope('mmseg')
    model = tiny.slot_model()
    built = ROOT.build(
        dict(model, type='slotkd.SlotVideoModel', _scope_='slotkd')
    )
    assert isinstance(built, SlotVideoModel)


@pytest.mark.parametrize(
    'part',
    [
        BACKBONE,
        dict(
            type='mmseg.MixVisionTransformer', embed_dims=8, num_layers=[1] * 4
        ),
        dict(
            type='mmseg.ResNetV1c',
            depth=18,
            norm_cfg=dict(type='BN'),
        ),
    ],
)
def test_slotkd_scope_takes_mmseg_prefixes(part):
    scope('slotkd')
    assert type(ROOT.build(part)).__module__.startswith('mmseg.')


def test_children_of_a_prefixed_mmseg_part_need_prefixes_too():
    scope('slotkd')
    with pytest.raises(KeyError, match='CrossEntropyLoss'):
        ROOT.build(dict(HEAD, loss_decode=dict(type='CrossEntropyLoss')))
    assert ROOT.build(dict(HEAD, loss_decode=SCOPED_LOSS))
    scoped = dict(HEAD, type='FCNHead', _scope_='mmseg')
    assert ROOT.build(dict(scoped, loss_decode=dict(type='CrossEntropyLoss')))


def test_mmseg_model_around_a_slotkd_backbone():
    scope('slotkd')
    built = ROOT.build(
        dict(
            type='EncoderDecoder',
            _scope_='mmseg',
            backbone=dict(type='slotkd.ProbeBackbone'),
            decode_head=dict(
                HEAD, type='FCNHead', loss_decode=dict(type='CrossEntropyLoss')
            ),
        )
    )
    assert type(built.backbone).__name__ == 'ProbeBackbone'


def test_without_a_scope_our_registry_takes_mmseg_parts():
    DefaultScope._instance_dict.clear()
    built = registry.MODELS.build(dict(HEAD, loss_decode=SCOPED_LOSS))
    assert type(built).__name__ == 'FCNHead'


@pytest.mark.parametrize(
    ('kind', 'arguments'),
    [
        ('torch.nn.Linear', dict(in_features=2, out_features=3)),
        ('slotkd.models.slots.FeatureMLP', dict(feat_dim=4, out_dim=4)),
    ],
)
def test_full_paths_need_no_registration(kind, arguments):
    scope('slotkd')
    built = ROOT.build(dict(type=kind, **arguments))
    assert type(built).__name__ == kind.rpartition('.')[2]


def test_an_unprefixed_name_is_never_a_sibling():
    scope('slotkd')
    with pytest.raises(KeyError, match='MobileNetV2 is not in the slotkd'):
        ROOT.build(dict(BACKBONE, type='MobileNetV2'))


@pytest.mark.parametrize('where', ['slotkd', 'mmseg'])
@pytest.mark.parametrize('kind', ['SlotVideoModl', 'slotkd.SlotVideoModl'])
def test_a_misspelt_name_is_named_with_what_was_meant(kind, where):
    if where == 'mmseg':
        kind = f'slotkd.{kind.removeprefix("slotkd.")}'
    scope(where)
    told = 'SlotVideoModl is not in the slotkd::model registry; did you mean '
    with pytest.raises(KeyError, match=f"{told}'SlotVideoModel'"):
        ROOT.build(dict(type=kind))


def test_a_name_like_no_other_is_just_not_there():
    scope('slotkd')
    with pytest.raises(KeyError) as caught:
        ROOT.build(dict(type='Xyzzy'))
    assert caught.value.args == ('Xyzzy is not in the slotkd::model registry',)


def test_the_part_of_a_sibling_is_named_with_its_scope():
    import mmseg.models  # noqa: F401

    scope('slotkd')
    told = '; mmseg has one: write mmseg.FCNHead'
    with pytest.raises(KeyError, match=told):
        ROOT.build(dict(HEAD, type='FCNHead'))


def test_misspelt_types_of_every_kind_are_named():
    """Data sets, hooks, metrics and the rest speak like models."""
    scope('slotkd')
    for name, child in children().items():
        root = getattr(mmengine_registry, name)
        with root.switch_scope_and_registry(None) as node:
            told = f'Nothng is not in the slotkd::{child.name} registry'
            with pytest.raises(KeyError, match=told):
                node.get('Nothng')


IMPORT_LINE = (
    "custom_imports = dict(imports=['slotkd'], allow_failed_imports=False)"
)
USER_RUN = """
import sys
{hide}
from mmengine.config import Config
cfg = Config.fromstring({text!r}, '.py')
from mmengine.registry import DefaultScope, MODELS
DefaultScope.get_instance('x', scope_name='mmseg')
MODELS.build(cfg.model)
"""
HIDE = "sys.modules['slotkd'] = None"


def user_error(import_line: str, kind: str, hide: str = '') -> str:
    """Return the last line of stderr of an mmseg user's process."""
    text = f'{import_line}\nmodel = dict(type={kind!r})\n'
    done = run_python(USER_RUN.format(hide=hide, text=text))
    assert done.returncode == 1
    return done.stderr.strip()


def test_misspelling_and_absence_are_different_errors():
    misspelt = user_error(IMPORT_LINE, 'slotkd.SlotVideoModl')
    assert misspelt.splitlines()[-1] == (
        'KeyError: "SlotVideoModl is not in the slotkd::model registry; '
        "did you mean 'SlotVideoModel'?\""
    )
    absent = user_error(IMPORT_LINE, 'slotkd.SlotVideoModel', HIDE)
    told = "ImportError: Failed to import custom modules from {'imports': ["
    assert f"{told}'slotkd'], 'allow_failed_imports': False}}" in absent
    assert 'is not in the' not in absent


def test_absence_without_the_line_is_the_error_of_mmengine():
    """Why the line is recommended: nothing here says what is missing."""
    silent = user_error('', 'slotkd.SlotVideoModel', HIDE)
    on_lite = "No module named 'mmcv._ext'" in silent
    assert on_lite or 'slotkd.SlotVideoModel is not in the mmseg::' in silent
    assert 'did you mean' not in silent


def test_plain_mmseg_process_needs_the_import_line():
    """``custom_imports`` of slotkd makes mmseg's models importable."""
    code = (
        'from mmengine.config import Config\n'
        'cfg = Config.fromstring(\n'
        '    "custom_imports = dict(imports=[\'slotkd\'], "\n'
        '    "allow_failed_imports=False)", ".py")\n'
        'from mmengine.registry import DefaultScope, MODELS\n'
        "DefaultScope.get_instance('x', scope_name='mmseg')\n"
        "MODELS.build(dict(type='MobileNetV2', widen_factor=0.25))\n"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.mmcv
@pytest.mark.skipif(
    isinstance(sys.modules.get('mmcv._ext'), compat.MissingOps),
    reason='on mmcv-lite the line is needed',
)
def test_with_the_compiled_mmcv_the_line_may_be_missing():
    done = run_python(
        'from mmengine.registry import DefaultScope, MODELS\n'
        "DefaultScope.get_instance('x', scope_name='mmseg')\n"
        "MODELS.build(dict(type='slotkd.PatchPixels', patch_size=4))\n"
    )
    assert done.returncode == 0, done.stderr
