"""Read the weights of slot models from our files and from official ones."""

from pathlib import Path

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
