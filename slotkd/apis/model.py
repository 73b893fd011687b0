"""init_model: a model from a config and a checkpoint, ready to use."""

from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from slotkd.registry import MODELS


def init_model(
    config: str | Path | Config,
    checkpoint: str | None = None,
    device: str = 'cpu',
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
        checkpoint: Path or URL of the weights; None keeps those the config
            names, or random ones.
        device: Where to put the model.

    Returns:
        The model; its config is its attribute ``cfg``.

    Raises:
        FileNotFoundError: If a file does not exist.
        KeyError: If the config has no ``model``.
        RuntimeError: If the weights do not fit the model.
    """
    if not isinstance(config, Config):
        if not Path(config).is_file():
            raise FileNotFoundError(f'config file not found: {config}')
        config = Config.fromfile(config)
    if 'model' not in config:
        raise KeyError(f"config {config.filename} has no 'model'")
    init_default_scope(config.get('default_scope', 'slotkd'))
    model = MODELS.build(config.model)
    if checkpoint is None:
        model.init_weights()
    else:
        load_checkpoint(model, checkpoint, map_location='cpu', strict=True)
    model.cfg = config
    return model.to(device).eval()
