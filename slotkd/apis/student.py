"""init_student: the model that segments, out of a config of any run."""

import logging
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from torch import Tensor, nn

from slotkd.apis.model import build_model, finish
from slotkd.apis.weights import is_training_only
from slotkd.engine import ConfigError, check_model, load_config


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
    model = build_student(config)
    if checkpoint is None:
        print_log(
            'no checkpoint: weights are random but for those that the config '
            'names',
            logger='current',
            level=logging.WARNING,
        )
    return finish(model, config, checkpoint, device)


def build_student(config: Config) -> nn.Module:
    """Build the student of a config with the preprocessor of its run."""
    check_model(config)
    part = config.model
    if 'student' in part:
        part = dict(part.student)
        if 'data_preprocessor' in config.model:
            part['data_preprocessor'] = config.model.data_preprocessor
    if part.get('data_preprocessor') is None:
        name = config.filename or 'config'
        raise ConfigError(
            f'{name}: model.data_preprocessor is missing, which says how '
            'pixels are normalised'
        )
    return build_model(config, part)


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
        if not is_training_only(name)
    }
