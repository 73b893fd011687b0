"""Find misspelt keys and types of a config before a run touches the disk."""

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import PretrainedInit
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

from slotkd.engine.top_level_keys import TOP_LEVEL, check_top_level
from slotkd.engine.type_lookup import (
    arguments,
    find_classes,
    hint,
    is_own,
    nearest,
    unregistered,
)

HOOK_NAMES = (
    'runtime_info',
    'timer',
    'sampler_seed',
    'logger',
    'param_scheduler',
    'checkpoint',
)
# Keys that a builder takes out before the class sees its arguments.
OPTIM_WRAPPER_KEYS = frozenset({'optimizer', 'constructor', 'paramwise_cfg'})
TERM_KEYS = frozenset({'loss_weight', 'begin', 'end', 'ramp'})
SCHEDULER_KEYS = frozenset({'convert_to_iter_based'})
LOADER_KEYS = frozenset(inspect.signature(DataLoader.__init__).parameters) | {
    'disable_subprocess_warning',
    'num_batch_per_epoch',
}
SETTINGS = {
    'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    'randomness': {'seed', 'diff_rank_seed', 'deterministic'},
}
# The type Runner takes where a config names none.
LOOP_TYPES = {
    'val_cfg': 'ValLoop',
    'test_cfg': 'TestLoop',
    'log_processor': 'LogProcessor',
    'optim_wrapper': 'OptimWrapper',
}
# Parts that are built from their config alone.
BUILT_AS_THEY_ARE = re.compile(
    r'model\b|\w+_dataloader\.dataset\b|\w+_evaluator\b|\w+_hooks\b'
)
# A checked 'clip_grad' names its function by 'type', as mmengine does.
CLIP_FUNCTIONS: dict[str, Callable] = {
    'norm': clip_grad_norm_,
    'value': clip_grad_value_,
}


class ConfigError(ValueError):
    """A config that cannot mean what it says."""


def check_config(cfg: Config, required: Collection[str] = ()) -> None:
    """Stop at the first misspelt key, argument or registered type.

    Top-level names that nothing reads are allowed, since configs are Python
    and name their pieces, unless they are close to a name that is read.

    Args:
        cfg: Complete config, options of the command line merged.
        required: Top-level keys that must be there.

    Raises:
        ConfigError: One line that names the file, the key and what was
            probably meant.
    """
    for problem in find_problems(cfg, required):
        raise ConfigError(f'{cfg.filename or "config"}: {problem}')


def find_problems(cfg: Config, required: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with a config, one line each."""
    yield from check_top_level(cfg)
    for name in required:
        if cfg.get(name) is None:
            yield f'{name} is missing'
    scope = cfg.get('default_scope') or 'mmengine'
    for name, known in SETTINGS.items():
        yield from _check_keys(name, cfg.get(name) or {}, known)
    for name in cfg.get('default_hooks') or {}:
        near = nearest(name, HOOK_NAMES)
        if name not in HOOK_NAMES and near:
            yield f'default_hooks.{name}: did you mean {near!r}?'
    for name in (TOP_LEVEL | {'test_pipeline'}) & set(cfg):
        yield from _walk(cfg[name], name, scope)


def check_model(cfg: Config) -> None:
    """Stop at the first misspelt argument or type of the model alone.

    Args:
        cfg: A config, of which nothing but the model has to be good; types
            without a scope are slotkd's.

    Raises:
        ConfigError: As :func:`check_config`.
    """
    name = cfg.filename or 'config'
    if cfg.get('model') is None:
        raise ConfigError(f'{name}: model is missing')
    scope = cfg.get('default_scope') or 'slotkd'
    for problem in _walk(cfg.model, 'model', scope):
        raise ConfigError(f'{name}: {problem}')


def _walk(node: Any, path: str, scope: str) -> Iterator[str]:
    """Check every dictionary with a type, below slotkd's own parts."""
    if isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from _walk(item, f'{path}[{index}]', scope)
    if path.endswith('.clip_grad'):
        yield from _check_clip_grad(node, path)
        return
    if not isinstance(node, dict):
        return
    scope = node.get('_scope_', scope)
    kind = node.get('type', _default_type(node, path))
    if kind is not None:
        classes = [kind] if callable(kind) else find_classes(kind, scope)
        if not classes:
            yield f'{path}.type: {unregistered(kind, scope)}'
            return
        yield from _check_arguments(node, path, classes)
        yield from _check_required(node, path, classes)
        if not any(is_own(c) for c in classes):
            return
    elif path.endswith('_dataloader'):
        yield from _check_keys(path, node, LOADER_KEYS)
    for key, value in node.items():
        yield from _walk(value, f'{path}.{key}', scope)


def _default_type(node: dict, path: str) -> str | None:
    if path == 'train_cfg':
        by_epoch = node.get('by_epoch', True)
        return 'EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop'
    return LOOP_TYPES.get(path)


def _check_arguments(
    node: dict, path: str, classes: list[Callable]
) -> Iterator[str]:
    given = [k for k in node if k not in ('type', '_scope_')]
    complaints = []
    for cls in classes:
        known = arguments(cls)
        if known is None:
            return
        known |= _extra_keys(cls, path)
        unknown = [key for key in given if key not in known]
        if not unknown:
            return
        complaints.append(
            f'{path}: {cls.__name__} takes no argument {unknown[0]!r}'
            + hint(unknown[0], known)
        )
    yield complaints[0]


def _check_required(
    node: dict, path: str, classes: list[Callable]
) -> Iterator[str]:
    """Yield what slotkd's own parts need and do not get.

    Runner hands arguments of its own to other parts.
    """
    if not BUILT_AS_THEY_ARE.match(path):
        return
    for cls in classes:
        if not cls.__module__.startswith('slotkd.'):
            return
        for name, parameter in inspect.signature(cls).parameters.items():
            if parameter.default is parameter.empty and name not in node:
                yield f'{path}: {cls.__name__} needs {name!r}'


def _check_clip_grad(node: Any, path: str) -> Iterator[str]:
    if node is None:
        return
    if not isinstance(node, dict):
        yield f'{path} must be a dict as dict(max_norm=1.0), got {node!r}'
        return
    function = CLIP_FUNCTIONS.get(node.get('type', 'norm'))
    if function is None:
        yield f"{path}.type: {node['type']!r} is neither 'norm' nor 'value'"
        return
    parameters = inspect.signature(function).parameters
    known = parameters.keys() - {'parameters'}
    for key in node.keys() - known - {'type'}:
        yield (
            f'{path}: {function.__name__} takes no argument {key!r}'
            + hint(key, known)
        )
    for key in known - node.keys():
        if parameters[key].default is inspect.Parameter.empty:
            yield f'{path}: {function.__name__} needs {key!r}'


def _extra_keys(cls: Callable, path: str) -> frozenset[str]:
    parent = path.rpartition('.')[0]
    if path == 'train_cfg':
        return frozenset({'by_epoch'})
    if path == 'optim_wrapper':
        return OPTIM_WRAPPER_KEYS
    if path.startswith('param_scheduler'):
        return SCHEDULER_KEYS
    if parent.endswith('losses'):
        return TERM_KEYS
    if cls is PretrainedInit:
        # Backbones of slotkd read it themselves.
        return frozenset({'trust'})
    if inspect.isclass(cls) and issubclass(cls, Hook):
        return frozenset({'priority'})
    return frozenset()


def _check_keys(
    path: str, node: dict, known: Collection[str]
) -> Iterator[str]:
    for key in node:
        if key not in known:
            yield f'{path}: unknown key {key!r}' + hint(key, known)
