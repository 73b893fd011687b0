"""Running: optimiser, schedule, checkpoints, checks of what users write."""

from slotkd.engine.atomic_checkpoint import (
    AtomicBackend,
    AtomicCheckpointHook,
    write_atomically,
)
from slotkd.engine.command_line import (
    OneLineParser,
    build_runner,
    load_config,
    require_file,
    run_command,
    run_config,
    run_parser,
)
from slotkd.engine.config_check import (
    ConfigError,
    check_config,
    check_options,
)
from slotkd.engine.optim_constructor import (
    SlotKDOptimWrapperConstructor,
    merge_groups,
)
from slotkd.engine.schedulers import WarmupDecayLR, warmup_decay_factor
from slotkd.engine.strict_load_hook import StrictLoadHook

__all__ = [
    'AtomicBackend',
    'AtomicCheckpointHook',
    'ConfigError',
    'OneLineParser',
    'SlotKDOptimWrapperConstructor',
    'StrictLoadHook',
    'WarmupDecayLR',
    'build_runner',
    'check_config',
    'check_options',
    'load_config',
    'merge_groups',
    'require_file',
    'run_command',
    'run_config',
    'run_parser',
    'warmup_decay_factor',
    'write_atomically',
]
