"""TeacherHolder: a frozen model outside the module tree."""

from collections.abc import Callable
from pathlib import Path

from mmengine.logging import print_log
from torch import Tensor, nn

from slotkd.models.backbones import optional_weights
from slotkd.models.video.load_weights import read_slot_weights
from slotkd.registry import MODELS

# Weights of loss terms teach nobody.
TRAINING_ONLY = ('losses.',)


class TeacherHolder:
    """Hold a teacher that no part of the student's training may own.

    A holder is no module: the teacher is in no state dict, optimiser, EMA
    copy or gradient bucket of the model that uses it, and deep copies of
    that model share it. It is therefore absent from ``print(model)``,
    ``init_weights`` and flop counts too. The teacher is built and loaded at
    first use, so a student can be tested without the teacher's file.

    Args:
        model: Config or built module.
        checkpoint: Path or URL of the weights; None only for a built module
            and for a config that names its own ``checkpoint``.
        training_only: Beginnings of the names of weights that a teacher can
            do without.

    Raises:
        ValueError: If a config comes without a checkpoint.
    """

    def __init__(
        self,
        model: dict | nn.Module,
        checkpoint: str | None = None,
        training_only: tuple[str, ...] = TRAINING_ONLY,
    ) -> None:
        if isinstance(model, dict) and not model.get('checkpoint', checkpoint):
            raise ValueError(
                'teacher_checkpoint is missing: a teacher with random weights '
                'teaches nothing; give a path or URL, or a built module'
            )
        self.checkpoint = checkpoint
        self.training_only = training_only
        self._config = None if isinstance(model, nn.Module) else model
        self._model: nn.Module | None = None
        if isinstance(model, nn.Module):
            if checkpoint is not None:
                load_teacher(model, checkpoint, training_only)
            self._model = _freeze(model)

    def __deepcopy__(self, memo: dict) -> 'TeacherHolder':
        return self

    @property
    def is_loaded(self) -> bool:
        """Whether the teacher has been built."""
        return self._model is not None

    def get(self, like: Tensor | None = None) -> nn.Module:
        """Return the teacher; build and load it first where needed.

        Args:
            like: A tensor of the device and dtype the teacher shall have.
        """
        if self._model is None:
            model = MODELS.build(self._config)
            if self.checkpoint is None:
                model.init_weights()
            else:
                load_teacher(model, self.checkpoint, self.training_only)
            if like is not None:
                model = model.to(like.device, like.dtype)
            self._model = _freeze(model)
        return self._model

    def apply(self, function: Callable[[Tensor], Tensor]) -> None:
        """Move or cast the teacher with the model that holds it."""
        if self._model is not None:
            self._model._apply(function)


def load_teacher(
    model: nn.Module,
    checkpoint: str,
    training_only: tuple[str, ...] = TRAINING_ONLY,
) -> None:
    """Load a teacher's weights strictly.

    Weights of loss terms in the file are of no use to a teacher and are
    passed over; so is the prefix ``student.`` of a distiller's checkpoint.
    A published SlotContrast checkpoint loads as it is. No code in a file is
    run.

    Args:
        model: The teacher.
        checkpoint: Path or URL.
        training_only: Beginnings of the names to pass over.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If keys are missing, left over or of another shape.
    """
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise FileNotFoundError(f'teacher_checkpoint not found: {checkpoint}')
    state = read_slot_weights(checkpoint)
    if any(key.startswith('student.') for key in state):
        state = {
            key.removeprefix('student.'): value
            for key, value in state.items()
            if key.startswith('student.')
        }
    state = {k: v for k, v in state.items() if not k.startswith(training_only)}
    spare = optional_weights(model) - state.keys()
    own = {
        key: value
        for key, value in model.state_dict().items()
        if not key.startswith(training_only) and key not in spare
    }
    problems = [f'missing {key}' for key in own.keys() - state.keys()]
    problems += [f'unexpected {key}' for key in state.keys() - own.keys()]
    problems += [
        f'{key} has shape {tuple(state[key].shape)}, the model '
        f'{tuple(value.shape)}'
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    if problems:
        listed = '; '.join(sorted(problems)[:5])
        raise ValueError(
            f'teacher_checkpoint {checkpoint} does not fit the teacher, '
            f'{len(problems)} keys differ: {listed}'
        )
    model.load_state_dict(state, strict=False)
    print_log(f'Loaded the teacher from {checkpoint}', logger='current')


def _freeze(model: nn.Module) -> nn.Module:
    return model.requires_grad_(False).eval()
