"""Each patch: needed today, applied once, and does its work."""

import importlib.util
import inspect
import logging
import os
import pickle
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.utils import package_utils

from slotkd import compat

on_lite = pytest.mark.skipif(
    not isinstance(sys.modules.get('mmcv._ext'), compat.MissingOps),
    reason='the compiled mmcv is installed',
)


def run_python(code: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, '-c', code],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


# The maintained fork of the stack has other distribution names and no need of
# some patches; see tools/environments/fork.sh.
on_released = pytest.mark.skipif(
    not compat.is_distribution('mmengine'),
    reason='mmengine comes from the fork',
)


@pytest.fixture
def restored_lookup(monkeypatch):
    """Undo what the replacement of the package look-up patches."""
    import mmengine.config.config as config_module
    import mmengine.hub.hub as hub_module
    import mmengine.utils as utils_module

    names = ('is_installed', 'get_installed_path', 'package2module')
    for module in (package_utils, utils_module, config_module, hub_module):
        for name in names:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, getattr(module, name))


@pytest.fixture
def without_pkg_resources(monkeypatch, restored_lookup):
    """Hide pkg_resources."""
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)


@pytest.fixture
def renamed_mmseg(monkeypatch, restored_lookup):
    """Bring mmseg under the distribution name of the fork."""
    distribution = metadata.distribution

    def renamed(name):
        if name == 'mmsegmentation':
            raise metadata.PackageNotFoundError(name)
        return distribution(name)

    monkeypatch.setattr(metadata, 'distribution', renamed)


# The three patches are still needed; these fail once upstream repairs them.


@on_lite
def test_lite_build_has_no_ext():
    import mmcv

    assert not list(Path(mmcv.__file__).parent.glob('_ext*'))


def test_mmengine_loads_without_weights_only():
    source = inspect.getsource(mmengine_checkpoint.load_from_local)
    assert 'weights_only' not in source


@on_released
def test_mmengine_still_asks_pkg_resources():
    assert 'pkg_resources' in Path(package_utils.__file__).read_text()


def test_apply_is_idempotent(caplog):
    # With the compiled mmcv there may be none yet.
    ext, loader = sys.modules.get('mmcv._ext'), CheckpointLoader._schemes['']
    with caplog.at_level(logging.DEBUG, logger='slotkd'):
        compat.apply()
    assert sys.modules.get('mmcv._ext') is ext
    assert CheckpointLoader._schemes[''] is loader
    assert not caplog.records


@on_lite
def test_each_applied_patch_logs_one_debug_line(monkeypatch, caplog):
    monkeypatch.delitem(sys.modules, 'mmcv._ext')
    with caplog.at_level(logging.DEBUG, logger='slotkd'):
        compat.apply()
    assert [r.getMessage() for r in caplog.records] == ['applied stub_ops']
    assert caplog.records[0].levelno == logging.DEBUG


@on_lite
def test_switch_leaves_everything_alone():
    done = run_python(
        'import sys, slotkd\n'
        'from mmengine.runner.checkpoint import CheckpointLoader as C\n'
        "assert 'mmcv._ext' not in sys.modules\n"
        "assert C._schemes[''].__module__.startswith('mmengine')\n",
        SLOTKD_COMPAT='0',
    )
    assert done.returncode == 0, done.stderr


def test_missing_mmcv_names_both_commands(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        'find_spec',
        lambda name, *a: None if name == 'mmcv' else find_spec(name, *a),
    )
    with pytest.raises(ImportError, match='pip install "mmcv-lite') as caught:
        compat.apply()
    assert 'pip install "mmcv>=2.1.0,<2.2.0"' in str(caught.value)
    assert '\n' not in str(caught.value)


@on_lite
def test_mmseg_models_import_and_ops_fail_when_called():
    done = run_python(
        'import slotkd, mmseg.models, torch\n'
        'from mmcv.ops import nms\n'
        'from mmcv.utils.ext_loader import check_ops_exist\n'
        'assert not check_ops_exist()\n'
        'nms(torch.rand(3, 4), torch.rand(3), 0.5)\n'
    )
    assert done.returncode == 1
    assert "mmcv op 'nms' needs the compiled build" in done.stderr


@on_lite
def test_pure_torch_ops_work():
    from mmcv.ops import MultiScaleDeformableAttention

    attention = MultiScaleDeformableAttention(
        embed_dims=8, num_levels=1, num_heads=2, num_points=2
    )
    out = attention(
        torch.rand(4, 1, 8),
        value=torch.rand(6, 1, 8),
        reference_points=torch.rand(1, 4, 1, 2),
        spatial_shapes=torch.tensor([[2, 3]]),
        level_start_index=torch.tensor([0]),
    )
    assert out.shape == (4, 1, 8)


def test_stub_has_no_dunder_attributes():
    assert not hasattr(compat.MissingOps('x'), '__path__')


def test_checkpoint_of_mmengine_is_unpickled_in_quiet(tmp_path, caplog):
    path = tmp_path / 'iter_1.pth'
    saved = {
        'state_dict': {'w': torch.ones(2)},
        'hub': HistoryBuffer([1.0], [1]),
    }
    torch.save(saved, path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    with caplog.at_level(logging.INFO, logger='slotkd'):
        loaded = CheckpointLoader.load_checkpoint(str(path))
    assert loaded['state_dict']['w'].tolist() == [1, 1]
    assert loaded['hub'].current() == 1.0
    (record,) = (r for r in caplog.records if r.name == 'slotkd')
    assert record.levelno == logging.INFO
    assert path.name in record.getMessage()


def test_plain_weights_load_without_a_warning(tmp_path, caplog):
    torch.save({'w': torch.ones(2)}, tmp_path / 'w.pth')
    CheckpointLoader.load_checkpoint(str(tmp_path / 'w.pth'))
    assert not caplog.records


@pytest.mark.parametrize('damage', ['truncated', 'text', 'other', 'empty'])
def test_damaged_checkpoint_is_one_clear_error(tmp_path, damage):
    path = tmp_path / 'bad.pth'
    torch.save({'w': torch.ones(2000)}, path)
    data = path.read_bytes()
    path.write_bytes(
        {
            'truncated': data[: len(data) // 2],
            'text': b'hello',
            'other': b'import os\n',
            'empty': b'',
        }[damage]
    )
    told = r'bad\.pth cannot be read: not a PyTorch checkpoint, or a damaged'
    with pytest.raises(ValueError, match=told) as caught:
        CheckpointLoader.load_checkpoint(str(path))
    assert '\n' not in str(caught.value)


def test_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'nowhere.pth'))


@on_released
def test_absence_is_seen_and_replaced(without_pkg_resources):
    with pytest.raises(ModuleNotFoundError):
        package_utils.is_installed('torch')
    assert compat.package_lookup_fails()
    compat.apply()
    assert package_utils.is_installed('torch')
    assert not compat.package_lookup_fails()


@pytest.mark.parametrize('missing', ['without_pkg_resources', 'renamed_mmseg'])
def test_bases_of_mmseg_resolve_without_it(missing, request):
    request.getfixturevalue(missing)
    compat.apply()
    cfg = Config.fromstring(
        "_base_ = ['mmseg::_base_/schedules/schedule_20k.py']", '.py'
    )
    assert cfg.train_cfg.max_iters == 20000


@on_released
def test_another_distribution_name_is_seen(renamed_mmseg):
    assert compat.package_lookup_fails()
    assert compat.is_installed('mmsegmentation')
    compat.apply()
    assert not compat.package_lookup_fails()


@on_released
def test_replacements_agree_with_pkg_resources():
    pytest.importorskip('pkg_resources')
    for package in ('mmengine', 'mmsegmentation', 'mmseg', 'torch'):
        expected = package_utils.get_installed_path(package)
        assert compat.get_installed_path(package) == expected
        assert compat.is_installed(package)
    assert compat.package2module('mmsegmentation') == 'mmseg'
    assert not compat.is_installed('surely-not-there')


def test_editable_package_is_found():
    assert Path(compat.get_installed_path('slotkd')).name == 'slotkd'


def test_unknown_package_is_named():
    with pytest.raises(ModuleNotFoundError, match='surely_not_there'):
        compat.get_installed_path('surely_not_there')
