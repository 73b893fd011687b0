"""init_model: a model from a config and a checkpoint, ready to use."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import nn

from slotkd.apis.weights import load_weights
from slotkd.engine import (
    ConfigError,
    check_model,
    load_config,
    require_file,
)
from slotkd.engine.command_line import one_line
from slotkd.registry import MODELS


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device = 'cpu',
) -> nn.Module:
    """Build a model, load its weights and put it in eval mode.

    A distiller's config gives the whole distiller. With a checkpoint its
    teacher is loaded only when it is asked for; without one, the weights
    that the config names are loaded, the teacher's among them. Called on
    frames (B, T, 3, H, W) the model normalises nothing:
    ``model(inputs, mode='tensor')`` takes float32 inputs that are
    normalised already.

    Args:
        config: Path of a config file, or a config.
        checkpoint: Path or URL of the weights, of a run or published, see
            :func:`slotkd.apis.weights.load_weights`; no code in it is run.
            None keeps those the config names, or random ones.
        device: Where to put the model.

    Returns:
        The model; its config is its attribute ``cfg``.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If the config builds no model, the weights do not fit
            it, or there is no such device.
    """
    if not isinstance(config, Config):
        config = load_config(str(config))
    check_model(config)
    model = build_model(config, config.model)
    return finish(model, config, checkpoint, device)


def build_model(config: Config, part: dict) -> nn.Module:
    """Build a model of a config.

    Args:
        config: Config of the run.
        part: The model in it.

    Raises:
        ValueError: If it cannot be built; names the config.
    """
    init_default_scope(config.get('default_scope') or 'slotkd')
    try:
        return MODELS.build(part)
    except (AssertionError, KeyError, TypeError) as error:
        name = config.filename or 'config'
        raise ConfigError(f'{name}: {one_line(error)}') from error


def finish(
    model: Any,
    config: Config,
    checkpoint: str | Path | None,
    device: str | torch.device,
) -> nn.Module:
    """Give a new model its weights, its config and its place.

    Args:
        model: The model.
        config: Config of the run.
        checkpoint: Its weights; None for those that the config names.
        device: Where to put it.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it does not fit, or there is no such device.
    """
    if checkpoint is None:
        with _quiet():
            model.init_weights()
    else:
        require_file(checkpoint, 'checkpoint')
        load_weights(model, checkpoint)
    model.cfg = config
    try:
        return model.to(torch.device(device)).eval()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f'device {device}: {one_line(error)}') from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep mmengine from listing how every parameter was initialised."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
