"""Top-level names of a config: which are read, which nothing reads."""

import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from slotkd.engine.type_lookup import hint, nearest

# What Runner reads from the whole config, beside its arguments.
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
# SlotInferencer reads the first, datasets commonly take the others.
PIPELINES = frozenset({'test_pipeline', 'train_pipeline', 'val_pipeline'})
# How configs commonly name pieces of themselves.
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
# These are read further down; at the top they may be pieces.
MISPLACED = {
    'deterministic': 'randomness.deterministic',
    'max_epochs': 'train_cfg.max_epochs',
    'max_iters': 'train_cfg.max_iters',
    'seed': 'randomness.seed',
    'total_epochs': 'train_cfg.max_epochs',
    'total_iters': 'train_cfg.max_iters',
    'val_interval': 'train_cfg.val_interval',
}


def check_top_level(cfg: Config) -> Iterator[str]:
    """Yield top-level names that nothing reads but somebody meant."""
    known = TOP_LEVEL | PIPELINES
    for name in cfg:
        if name in known or _is_piece(name):
            continue
        if name in OUTDATED:
            yield f'nothing reads {name!r}; use {OUTDATED[name]}'
        elif name in MISPLACED:
            if _value(cfg, MISPLACED[name]) != cfg[name]:
                yield f'nothing reads {name!r}; use {MISPLACED[name]}'
        elif nearest(name, known):
            yield f'unknown key {name!r}' + hint(name, known)


def _is_piece(name: str) -> bool:
    variants = tuple(f'{pipeline}_' for pipeline in PIPELINES)
    return name.endswith(FREE_ENDINGS) or name.startswith(variants)


def _value(cfg: Config, path: str) -> Any:
    node: Any = cfg
    for key in path.split('.'):
        node = node.get(key) if node is not None else None
    return node
