"""Running: optimiser, schedule, checkpoints, checks of what users write."""

from slotkd.atomic_file import write_atomically
from slotkd.engine.atomic_checkpoint import (
    AtomicBackend,
    AtomicCheckpointHook,
)
from slotkd.engine.command_line import (
    OneLineParser,
    build_runner,
    load_config,
    require_file,
    require_writable,
    run_command,
    run_config,
    run_parser,
)
from slotkd.engine.config_check import (
    ConfigError,
    check_config,
    check_model,
)
from slotkd.engine.drawing import (
    contact_sheet,
    draw_labels,
    encode_label_png,
    encode_png,
    slot_colors,
    voc_palette,
)
from slotkd.engine.optim_constructor import (
    SlotKDOptimWrapperConstructor,
    merge_groups,
)
from slotkd.engine.option_check import check_options
from slotkd.engine.report import describe_machine, write_report
from slotkd.engine.report_clips import ReportClip
from slotkd.engine.schedulers import (
    WarmupDecayLR,
    WarmupPolyLR,
    warmup_decay_factor,
    warmup_poly_factor,
)
from slotkd.engine.ssync_figure import SSyncVisualizationHook, draw_ssync
from slotkd.engine.strict_load_hook import StrictLoadHook
from slotkd.engine.visualization_hook import SlotVisualizationHook, draw_clip

__all__ = [
    'AtomicBackend',
    'AtomicCheckpointHook',
    'ConfigError',
    'OneLineParser',
    'ReportClip',
    'SSyncVisualizationHook',
    'SlotKDOptimWrapperConstructor',
    'SlotVisualizationHook',
    'StrictLoadHook',
    'WarmupDecayLR',
    'WarmupPolyLR',
    'build_runner',
    'check_config',
    'check_model',
    'check_options',
    'contact_sheet',
    'describe_machine',
    'draw_clip',
    'draw_labels',
    'draw_ssync',
    'encode_label_png',
    'encode_png',
    'load_config',
    'merge_groups',
    'require_file',
    'require_writable',
    'run_command',
    'run_config',
    'run_parser',
    'slot_colors',
    'voc_palette',
    'warmup_decay_factor',
    'warmup_poly_factor',
    'write_atomically',
    'write_report',
]
