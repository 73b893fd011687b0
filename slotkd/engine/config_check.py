"""Find misspelt keys and types of a config before a run touches the disk."""

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from slotkd.engine.type_lookup import (
    arguments,
    find_classes,
    hint,
    is_own,
    nearest,
    unregistered,
)

# What Runner reads from the whole config, beside its arguments, and the
# names that configs commonly give to pieces of themselves.
RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters)
TOP_LEVEL = (RUNNER_KEYS - {'self', 'cfg'}) | {
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'sync_bn',
}
FREE_ENDINGS = ('_dataset', '_evaluator', '_loader', '_pipeline', '_root')
# mmcv 1.x read these; today nothing does.
OUTDATED = {
    'checkpoint_config': 'default_hooks.checkpoint',
    'data': 'train_dataloader and so on',
    'evaluation': 'val_evaluator',
    'log_config': 'default_hooks.logger',
    'lr_config': 'param_scheduler',
    'optimizer': 'optim_wrapper.optimizer',
    'optimizer_config': 'optim_wrapper',
    'runner': 'train_cfg',
}
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
# Dictionaries whose 'type' is no registered name.
OPAQUE = frozenset({'clip_grad'})


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
    yield from _check_top_level(cfg)
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
    for name in TOP_LEVEL & set(cfg):
        yield from _walk(cfg[name], name, scope)


def _check_top_level(cfg: Config) -> Iterator[str]:
    for name in cfg:
        if name in TOP_LEVEL or name.endswith(FREE_ENDINGS):
            continue
        if name in OUTDATED:
            yield f'nothing reads {name!r}; use {OUTDATED[name]}'
        elif nearest(name, TOP_LEVEL):
            yield f'unknown key {name!r}' + hint(name, TOP_LEVEL)


def _walk(node: Any, path: str, scope: str) -> Iterator[str]:
    """Check every dictionary with a type, below slotkd's own parts."""
    if isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from _walk(item, f'{path}[{index}]', scope)
    if not isinstance(node, dict) or path.rpartition('.')[2] in OPAQUE:
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
    if inspect.isclass(cls) and issubclass(cls, Hook):
        return frozenset({'priority'})
    return frozenset()


def _check_keys(
    path: str, node: dict, known: Collection[str]
) -> Iterator[str]:
    for key in node:
        if key not in known:
            yield f'{path}: unknown key {key!r}' + hint(key, known)
