"""init_student: the model that segments, out of a config of any run."""

import logging
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from slotkd.engine import ConfigError, load_config, require_file
from slotkd.engine.command_line import one_line
from slotkd.engine.strict_load_hook import SHOWN, misfits
from slotkd.models.backbones import optional_weights
from slotkd.registry import MODELS

# Weights that only training reads.
TRAINING_ONLY = ('losses.', 'distill_losses.', 'data_preprocessor.')


def init_student(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device = 'cpu',
) -> nn.Module:
    """Build the model that segments, in eval mode; no teacher is touched.

    Of a distiller this is the student with the distiller's preprocessor.
    The checkpoint may be that of the model alone or of a distiller around
    it, whichever the config is.

    Args:
        config: Path of a config file, or a config.
        checkpoint: Path or URL; None keeps the weights that the config
            names, the rest is random.
        device: Where to put the model.

    Returns:
        The model; its config is its attribute ``cfg``.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If the config builds no model, the checkpoint does not
            fit, or there is no such device.
    """
    if not isinstance(config, Config):
        config = load_config(str(config))
    if checkpoint is not None:
        require_file(checkpoint, 'checkpoint')
    model: Any = build_student(config)
    if checkpoint is None:
        print_log(
            'no checkpoint: weights are random but for those that the config '
            'names',
            logger='current',
            level=logging.WARNING,
        )
        model.init_weights()
    else:
        load_student(model, str(checkpoint))
    model.cfg = config
    try:
        return model.to(torch.device(device)).eval()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f'device {device}: {one_line(error)}') from error


def build_student(config: Config) -> nn.Module:
    """Build the student of a config with the preprocessor of its run."""
    name = config.filename or 'config'
    if config.get('model') is None:
        raise ConfigError(f'{name}: model is missing')
    part = config.model
    if 'student' in part:
        part = dict(part.student)
        if 'data_preprocessor' in config.model:
            part['data_preprocessor'] = config.model.data_preprocessor
    if part.get('data_preprocessor') is None:
        raise ConfigError(
            f'{name}: model.data_preprocessor is missing, which says how '
            'pixels are normalised'
        )
    init_default_scope(config.get('default_scope') or 'slotkd')
    try:
        return MODELS.build(part)
    except (AssertionError, KeyError, TypeError) as error:
        raise ConfigError(f'{name}: {one_line(error)}') from error


def load_student(model: nn.Module, checkpoint: str) -> None:
    """Load the student's weights strictly from a checkpoint of any run.

    Args:
        model: The student.
        checkpoint: Path or URL of a checkpoint of the model itself, or of a
            distiller around it.

    Raises:
        ValueError: If tensors are missing, left over or of another shape.
    """
    state = student_weights(
        CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    )
    spare = optional_weights(model)
    own = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith(TRAINING_ONLY)
        and (name in state or name not in spare)
    }
    found = misfits(state, own, allow_missing=False)
    if found:
        more = len(found) - SHOWN
        raise ValueError(
            f'checkpoint {checkpoint} does not fit {type(model).__name__}: '
            f'{"; ".join(found[:SHOWN])}'
            + (f'; and {more} more' if more > 0 else '')
        )
    model.load_state_dict(state, strict=False)


def student_weights(checkpoint: dict) -> dict[str, Tensor]:
    """Pick the weights that segmenting needs out of a checkpoint."""
    state = checkpoint.get('state_dict', checkpoint)
    if any(name.startswith('student.') for name in state):
        state = {
            name.removeprefix('student.'): value
            for name, value in state.items()
            if name.startswith('student.')
        }
    return {
        name: value
        for name, value in state.items()
        if not name.startswith(TRAINING_ONLY)
    }
