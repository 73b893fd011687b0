"""Read the weights of slot models from our files and from official ones."""

from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger
from torch import Tensor, nn

from slotkd.models.backbones import (
    check_weights,
    find_tensors,
    optional_weights,
    read_checkpoint,
)
from slotkd.models.video.slotcontrast_weights import (
    from_slotcontrast,
    is_slotcontrast,
)


def read_slot_weights(checkpoint: str | Path) -> dict[str, Tensor]:
    """Return the weights in a file by the names of SlotVideoModel.

    The file may be one of mmengine's, one that ``tools/convert_checkpoint``
    wrote, or a SlotContrast, SSync or SRL checkpoint as it was published. No
    code in it is run: objects other than tensors become placeholders.

    Args:
        checkpoint: Path or URL.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read, or a published one holds a
            tensor that has no counterpart.
    """
    tensors = find_tensors(read_checkpoint(checkpoint, trust=True))
    if not is_slotcontrast(tensors):
        return tensors
    weights, unused = from_slotcontrast(tensors)
    if unused:
        MMLogger.get_current_instance().warning(
            f'{checkpoint}, not used: {", ".join(sorted(unused))}'
        )
    return weights


def init_from_file(model: Any) -> bool:
    """Load the file that the ``init_cfg`` of a model of video names, if any.

    Args:
        model: A model with mmengine's ``init_cfg``: None or
            ``dict(type='Pretrained', checkpoint=..., prefix='')``.

    Returns:
        Whether there was one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If ``init_cfg`` is a list or has other keys, or the file
            does not fit, see :func:`load_slot_model`.
    """
    name = type(model).__name__
    given = model.init_cfg or {}
    if not isinstance(given, dict):
        raise ValueError(
            f'init_cfg of {name} is a {type(given).__name__}, not a dict'
        )
    if given.get('type') != 'Pretrained':
        return False
    config = {key: value for key, value in given.items() if key != 'type'}
    if not {'checkpoint'} <= config.keys() <= {'checkpoint', 'prefix'}:
        raise ValueError(
            f'init_cfg of {name} needs checkpoint and may have prefix, got '
            f'{sorted(config)}'
        )
    load_slot_model(model, **config)
    return True


def load_slot_model(
    model: nn.Module, checkpoint: str | Path, prefix: str = ''
) -> None:
    """Load all weights of a model of video, its loss terms left out.

    Args:
        model: A slot model or a model of mask propagation.
        checkpoint: Path or URL, see :func:`read_slot_weights`.
        prefix: Beginning of the wanted names. Without one, the student of a
            distiller's checkpoint is taken, else the whole file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a weight is missing, unknown or of another shape; the
            message lists them.
    """
    found = read_slot_weights(checkpoint)
    dotted = prefix.rstrip('.') + '.' if prefix else ''
    if not prefix and any(name.startswith('student.') for name in found):
        dotted = 'student.'
    weights = {
        name.removeprefix(dotted): value
        for name, value in found.items()
        if name.startswith(dotted)
    }
    check_weights(
        _without_losses(model.state_dict()),
        _without_losses(weights),
        optional=optional_weights(model),
        source=str(checkpoint),
    )
    model.load_state_dict(_without_losses(weights), strict=False)


def _without_losses(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v for k, v in weights.items() if not k.startswith('losses.')}
