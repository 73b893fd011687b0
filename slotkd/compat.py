"""Patches of the released OpenMMLab stack, each applied only where needed.

They must run before ``mmseg.models`` is imported; ``slotkd.registry`` does
it. ``SLOTKD_COMPAT=0`` in the environment switches all of them off.
"""

import importlib.util
import inspect
import logging
import os
import pickle
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import mmengine.config.config
import mmengine.hub.hub
import mmengine.utils
import torch
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.utils import package_utils

logger = logging.getLogger('slotkd')

NO_MMCV = (
    'slotkd needs mmcv and found none; install one of the two: '
    'pip install "mmcv-lite>=2.1.0,<2.2.0" (no compiled operations) or '
    'pip install "mmcv>=2.1.0,<2.2.0" (after building it)'
)


def apply() -> None:
    """Apply every patch that this environment needs.

    Raises:
        ImportError: If no mmcv is installed, in any build.
    """
    if importlib.util.find_spec('mmcv') is None:
        raise ImportError(NO_MMCV)
    if os.environ.get('SLOTKD_COMPAT') == '0':
        logger.debug('patches are switched off by SLOTKD_COMPAT=0')
        return
    for needed, patch in (
        (ops_are_missing, stub_ops),
        (loader_is_too_strict, relax_loader),
        (package_lookup_fails, replace_package_lookup),
    ):
        if needed():
            patch()
            logger.debug('applied %s', patch.__name__)


class MissingOps(ModuleType):
    """Stand in for ``mmcv._ext``: imports work, calls say what is missing."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise RuntimeError(
                f'mmcv op {name!r} needs the compiled build of mmcv'
            )

        return missing


def ops_are_missing() -> bool:
    """Tell whether mmcv has neither compiled operations nor our stub."""
    if 'mmcv._ext' in sys.modules:
        return False
    return importlib.util.find_spec('mmcv._ext') is None


def stub_ops() -> None:
    """Let all of mmseg import on mmcv-lite; compiled ops fail when called."""
    stub = MissingOps('mmcv._ext')
    # Without a loader, check_ops_exist() of mmcv stays False.
    stub.__spec__ = ModuleSpec('mmcv._ext', loader=None)
    sys.modules['mmcv._ext'] = stub
    if torch.cuda.is_available():
        # Else the attention calls the missing kernel for CUDA tensors.
        from mmcv.ops import multi_scale_deform_attn

        multi_scale_deform_attn.IS_CUDA_AVAILABLE = False


def loader_is_too_strict() -> bool:
    """Tell whether mmengine's loader refuses the checkpoints it writes.

    From torch 2.6 on, ``torch.load`` refuses the ``HistoryBuffer`` objects
    and numpy scalars in them unless ``weights_only`` is given.
    """
    version = tuple(int(part) for part in torch.__version__.split('.')[:2])
    source = inspect.getsource(mmengine_checkpoint.load_from_local)
    current = mmengine_checkpoint.CheckpointLoader._schemes['']
    return (
        version >= (2, 6)
        and 'weights_only' not in source
        and current is not load_from_local
    )


def relax_loader() -> None:
    """Read local checkpoints with :func:`load_from_local`."""
    mmengine_checkpoint.CheckpointLoader.register_scheme(
        prefixes='', loader=load_from_local, force=True
    )


# The name is part of the line that mmengine logs.
def load_from_local(
    filename: str | Path,
    map_location: Any = None,
) -> Any:
    """Load a local checkpoint, unpickling objects only where it must.

    Args:
        filename: File that the user named, hence trusts.
        map_location: As in ``torch.load``.

    Returns:
        What the file holds.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint or is truncated.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {filename} does not exist')
    try:
        try:
            return torch.load(path, map_location, weights_only=True)
        except pickle.UnpicklingError:
            loaded = torch.load(path, map_location, weights_only=False)
    # A file that is something else may raise anything.
    except Exception as error:
        reason = str(error).partition('\n')[0]
        raise ValueError(
            f'checkpoint {filename} cannot be read: not a PyTorch checkpoint, '
            f'or a damaged one ({type(error).__name__}: {reason})'
        ) from error
    logger.info('unpickled checkpoint %s, which was named here', filename)
    return loaded


def package_lookup_fails() -> bool:
    """Tell whether mmengine cannot find packages such as mmsegmentation.

    setuptools >= 82 leaves it without ``pkg_resources``; the maintained fork
    brings ``mmseg`` under another distribution name, and ``mmseg::`` in a
    config asks for ``mmsegmentation``.
    """
    if package_utils.is_installed is is_installed:
        return False
    if 'pkg_resources' in inspect.getsource(package_utils):
        if importlib.util.find_spec('pkg_resources') is None:
            return True
    return any(
        is_importable(module) and not is_distribution(package)
        for module, package in MODULE2PACKAGE.items()
    )


def replace_package_lookup() -> None:
    """Give mmengine package look-ups that need the standard library only."""
    for module in (
        package_utils,
        mmengine.utils,
        mmengine.config.config,
        mmengine.hub.hub,
    ):
        for function in (is_installed, get_installed_path, package2module):
            if hasattr(module, function.__name__):
                setattr(module, function.__name__, function)


def is_distribution(package: str) -> bool:
    """Tell whether a distribution of this name is installed."""
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def is_importable(module: str) -> bool:
    """Tell whether there is a module of this name with a folder."""
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None


def module_of(package: str) -> str:
    """Return the module that OpenMMLab ships under a distribution name."""
    modules = {name: module for module, name in MODULE2PACKAGE.items()}
    return modules.get(package, package)


def is_installed(package: str) -> bool:
    """Tell whether a distribution or importable package has this name."""
    return is_distribution(package) or is_importable(module_of(package))


def get_installed_path(package: str) -> str:
    """Return the folder of a package, named by distribution or module.

    Raises:
        ModuleNotFoundError: If there is no such package.
        RuntimeError: If it is a namespace package, which has no one folder.
    """
    try:
        root = Path(str(metadata.distribution(package).locate_file('')))
    except metadata.PackageNotFoundError:
        return _folder_of_module(module_of(package))
    if (root / package).exists():
        return str(root / package)
    # An editable install keeps only metadata there.
    module = package2module(package)
    if (root / module).exists():
        return str(root / module)
    return _folder_of_module(module)


def _folder_of_module(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f'package {name!r} is not installed')
    if spec.origin is None:
        raise RuntimeError(f'{name} is a namespace package without a folder')
    return str(Path(spec.origin).parent)


def package2module(package: str) -> str:
    """Return the first module that a distribution brings.

    Raises:
        ValueError: If its metadata does not say.
    """
    text = metadata.distribution(package).read_text('top_level.txt')
    if not text or not text.strip():
        raise ValueError(f'can not infer the module name of {package}')
    return text.split()[0]
