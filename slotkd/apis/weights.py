"""Load the weights of any run, strictly and without running the file."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from slotkd.engine.strict_load_hook import check_fit, without_distiller
from slotkd.models.backbones import optional_weights
from slotkd.models.video.load_weights import read_slot_weights

# Weights that only training reads, in a model alone.
TRAINING_ONLY = ('losses.', 'distill_losses.', 'data_preprocessor.')
SCHEMES = ('', 'http://', 'https://')


def read_weights(checkpoint: str | Path) -> dict[str, Tensor]:
    """Read the weights of a checkpoint of ours or a published one.

    Objects other than tensors, such as those that resuming needs, become
    placeholders; no code in the file is run.

    Args:
        checkpoint: Path or URL.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no weights; names the file.
    """
    try:
        weights = read_slot_weights(checkpoint)
    except ValueError as error:
        told = str(error).removeprefix(f'{checkpoint}: ')
        raise ValueError(f'checkpoint {checkpoint}: {told}') from error
    return {re.sub(r'^module\.', '', k): v for k, v in weights.items()}


def load_weights(model: nn.Module, checkpoint: str | Path) -> None:
    """Load weights strictly from a checkpoint of any run.

    A student may come alone or inside a distiller, whichever the model is.
    Weights of loss terms are taken where both sides have them.

    Args:
        model: A slot model or a distiller.
        checkpoint: Path or URL.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If tensors are missing, left over or of another shape.
    """
    own = model.state_dict()
    state = {
        key: value
        for key, value in without_distiller(
            read_weights(checkpoint), own
        ).items()
        if key in own or not is_training_only(key)
    }
    spare = {k for k in own if is_training_only(k)} | optional_weights(model)
    needed = {k: v for k, v in own.items() if k in state or k not in spare}
    check_fit(state, needed, f'checkpoint {checkpoint}', type(model).__name__)
    model.load_state_dict(state, strict=False)


def is_training_only(key: str) -> bool:
    """Tell whether nothing but training reads a weight of this name."""
    return key.removeprefix('student.').startswith(TRAINING_ONLY)


@contextmanager
def reading_weights_only() -> Iterator[None]:
    """Let mmengine read checkpoints by :func:`read_weights` meanwhile.

    Enough for tests; resuming needs the state of the run as well.
    """

    # mmengine logs the end of this name.
    def load_from_weights(filename: str, map_location: Any = None) -> dict:
        return {'state_dict': read_weights(filename)}

    schemes = dict(CheckpointLoader._schemes)
    CheckpointLoader.register_scheme(SCHEMES, load_from_weights, force=True)
    try:
        yield
    finally:
        CheckpointLoader._schemes = schemes
