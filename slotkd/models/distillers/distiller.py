"""The distiller: one student, one held teacher, and loss terms."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from slotkd.models.distillers.teacher_holder import TeacherHolder
from slotkd.models.losses.loss_terms import LossTerms
from slotkd.registry import MODELS


@MODELS.register_module()
class Distiller(BaseModel):
    """Train a student on its own losses and on what its teacher says.

    A training step is one student forward, one teacher forward without
    gradient on the same normalised clip, and two dictionaries of losses
    merged. Each model computes only the fields that an active term reads:
    with slots alone distilled, the teacher's decoder never runs. Prediction
    is the student's alone.

    The teacher is held outside the module tree, see :class:`TeacherHolder`.

    Args:
        student: Config or module with its own ``losses``.
        teacher: Config or module.
        distill_losses: Terms for :class:`slotkd.models.losses.LossTerms`
            that read both records.
        teacher_checkpoint: Path or URL of the teacher's weights.
        init_from_teacher: Copy the teacher's initial slots into the
            student, so that slot k of both means the same from the start.
        data_preprocessor: Config of the preprocessor of both.
        init_cfg: mmengine's weight initialisation.

    Raises:
        ValueError: If two terms share a name, or initial slots to copy do
            not fit.

    Source:
        Grigore et al., SlotMatch, arXiv:2508.03411.
    """

    # With losses and record_and_losses, whatever its class; for
    # init_from_teacher with an initializer too.
    student: Any

    def __init__(
        self,
        student: dict | nn.Module,
        teacher: dict | nn.Module,
        *,
        distill_losses: dict[str, dict[str, Any]],
        teacher_checkpoint: str | None = None,
        init_from_teacher: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.student = (
            student
            if isinstance(student, nn.Module)
            else MODELS.build(student)
        )
        self.distill_losses = LossTerms(distill_losses, ('student', 'teacher'))
        shared = self.student.losses.losses.keys() & distill_losses.keys()
        if shared:
            raise ValueError(
                'student.losses and distill_losses both have a term '
                f'{sorted(shared)}; names must differ'
            )
        self.init_from_teacher = init_from_teacher
        # Past nn.Module.__setattr__: nothing of the teacher is registered.
        object.__setattr__(
            self, '_holder', TeacherHolder(teacher, teacher_checkpoint)
        )

    @property
    def teacher(self) -> nn.Module:
        """The frozen teacher, built and loaded at first use."""
        return self._holder.get(next(self.student.parameters()))

    def init_weights(self) -> None:
        """Initialise the student, load the teacher, copy initial slots."""
        super().init_weights()
        teacher = self.teacher
        if self.init_from_teacher:
            copy_initial_slots(teacher, self.student)

    def forward(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[BaseDataElement] | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """Return the losses of both, or the student's record or prediction.

        Args:
            inputs: Normalised frames.
            data_samples: One sample for each clip; the truth, for a student
                whose own losses read it.
            mode: ``'loss'``; ``'tensor'`` and ``'predict'`` are the
                student's.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        return self.student(inputs, data_samples, mode)

    def loss(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[BaseDataElement] | None = None,
    ) -> dict[str, Tensor]:
        """Return the student's own losses and those of the distillation.

        Raises:
            ValueError: If both log under one name.
        """
        terms = self.distill_losses
        student, own = self.student.record_and_losses(
            inputs, data_samples, terms.fields('student')
        )
        model: Any = self.teacher
        with torch.no_grad():
            teacher = model.run(inputs, terms.fields('teacher'))
        distilled = terms(student, teacher)
        shared = own.keys() & distilled.keys()
        if shared:
            raise ValueError(
                f'student and distill_losses both log {sorted(shared)}; '
                'rename the term'
            )
        return own | distilled

    def _apply(
        self, fn: Callable[[Tensor], Tensor], recurse: bool = True
    ) -> 'Distiller':
        """Let moves and casts reach the teacher as well."""
        self._holder.apply(fn)
        return super()._apply(fn, recurse)


def copy_initial_slots(teacher: nn.Module, student: nn.Module) -> None:
    """Copy learned, ordered initial slots from teacher to student.

    Raises:
        ValueError: If either draws its slots at random, or shapes differ.
    """
    slots = []
    for name, model in (('teacher', teacher), ('student', student)):
        value = getattr(model.initializer, 'slots', None)
        if value is None:
            raise ValueError(
                'init_from_teacher needs learned initial slots, but the '
                f'{name} has a {type(model.initializer).__name__}'
            )
        slots.append(value)
    source, target = slots
    if source.shape != target.shape:
        raise ValueError(
            f'init_from_teacher: the teacher has initial slots of shape '
            f'{tuple(source.shape[1:])}, the student '
            f'{tuple(target.shape[1:])} (slots, width)'
        )
    with torch.no_grad():
        target.copy_(source)
