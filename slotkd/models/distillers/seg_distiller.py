"""A segmentor of mmsegmentation taught by another and by a slot model."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from slotkd.models.distillers.seg_terms import (
    build_terms,
    check_terms,
    in_scope,
)
from slotkd.models.distillers.segmentor import (
    auxiliary_heads,
    check_segmentor,
    teaching_pass,
    training_pass,
)
from slotkd.models.distillers.teacher_holder import (
    TRAINING_ONLY,
    TeacherHolder,
)
from slotkd.registry import MODELS
from slotkd.structures import SegOutput


@MODELS.register_module()
class SegDistiller(BaseModel):
    """Train a segmentor on its labels, on teachers and on itself.

    ``student``, ``teacher`` and ``peer`` are configs of mmsegmentation's
    ``EncoderDecoder`` (or ``CascadeEncoderDecoder``) and build in mmseg's
    scope, slot teacher and loss terms in slotkd's, whatever scope this class
    is named in. mmsegmentation's own tools run it like a segmentor;
    prediction is the student's alone.

    A step is one forward pass of the student, from which both its supervised
    losses and its maps are taken (see
    :func:`slotkd.models.distillers.segmentor.training_pass`), and one of each
    teacher that an active term reads. All nets get the images that this
    model's preprocessor normalised. Teachers are held outside the module
    tree, see :class:`TeacherHolder`: no checkpoint holds them.

    The released student is what ``tools/extract_student.py`` cuts out, a
    checkpoint of the plain mmsegmentation model.

    Args:
        student: Config of the segmentor that is trained.
        teacher: Config of the segmentor that teaches logits and features;
            its auxiliary heads are left out.
        teacher_checkpoint: Path or URL of its weights; a built module in
            ``teacher`` may come without.
        slot_teacher: Config of a :class:`slotkd.models.video.SlotBackbone`
            with its own ``checkpoint``, which teaches ``slot_maps``; its own
            types are slotkd's.
        peer: Config of a second student, trained on the same labels beside
            the first, for terms that read ``peer_logits``.
        losses: Terms for :class:`slotkd.models.losses.LossTerms` that read
            the student's record, as :class:`slotkd.models.losses.SegSSyncLoss`
            does.
        distill_losses: Terms that read the student's and the teachers'
            records; the teachers share one.
        logits_index: Which map is the prediction, for heads that give
            several: 0 for ``DAHead`` and ``EncHead``, 1 for ``PIDHead``.
        data_preprocessor: Config of the preprocessor; the student's where
            None.
        init_cfg: mmengine's weight initialisation.

    Raises:
        ValueError: If a model is no ``EncoderDecoder`` or computes its loss
            in its own way, a term reads what nobody gives, or a teacher is
            there that no term reads.

    Source:
        Own design. Hinton et al., arXiv:1503.02531, for the idea.
    """

    student: Any

    def __init__(
        self,
        student: dict | nn.Module,
        teacher: dict | nn.Module | None = None,
        *,
        teacher_checkpoint: str | None = None,
        slot_teacher: dict | nn.Module | None = None,
        peer: dict | nn.Module | None = None,
        losses: dict[str, dict[str, Any]] | None = None,
        distill_losses: dict[str, dict[str, Any]] | None = None,
        logits_index: int | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if data_preprocessor is None and isinstance(student, dict):
            data_preprocessor = student.get('data_preprocessor')
        if data_preprocessor is not None:
            data_preprocessor = in_scope(data_preprocessor, 'mmseg')
        super().__init__(data_preprocessor, init_cfg)
        self.student = _segmentor(student, 'student')
        self.peer = None if peer is None else _segmentor(peer, 'peer')
        self.logits_index = logits_index
        self.losses = build_terms(losses, ('output',))
        self.distill_losses = build_terms(
            distill_losses, ('student', 'teacher')
        )
        # Past nn.Module.__setattr__: nothing of a teacher is registered.
        holders = _hold(teacher, teacher_checkpoint, slot_teacher)
        object.__setattr__(self, '_holders', holders)
        check_terms(self.losses, self.distill_losses, self._given(), holders)

    @property
    def teacher(self) -> nn.Module | None:
        """The frozen segmentor, built and loaded at first use."""
        return self._held('teacher')

    @property
    def slot_teacher(self) -> nn.Module | None:
        """The frozen slot backbone, built and loaded at first use."""
        return self._held('slot_teacher')

    @property
    def decode_head(self) -> nn.Module:
        """The student's decode head, which ``SegTTAModel`` asks for."""
        return self.student.decode_head

    @property
    def out_channels(self) -> int:
        """Channels of the student's prediction, for ``SegTTAModel`` too."""
        return self.student.out_channels

    def init_weights(self) -> None:
        """Initialise what is trained and load the teachers."""
        super().init_weights()
        for name in self._holders:
            self._held(name)

    def forward(
        self,
        inputs: Float[Tensor, 'B 3 H W'],
        data_samples: list[BaseDataElement] | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """Return the losses, or what the student alone gives.

        Args:
            inputs: Normalised images.
            data_samples: One sample for each image.
            mode: ``'loss'``; ``'tensor'`` and ``'predict'`` are the
                student's.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples or [])
        return self.student(inputs, data_samples, mode)

    def loss(
        self,
        inputs: Float[Tensor, 'B 3 H W'],
        data_samples: Sequence[BaseDataElement],
    ) -> dict[str, Tensor]:
        """Return the supervised losses and all terms."""
        own, distilled = self.losses, self.distill_losses
        wanted = own.fields('output') | distilled.fields('student')
        student, logged = training_pass(
            self.student, inputs, data_samples, wanted, self.logits_index
        )
        if self.peer is not None:
            peer, supervised = training_pass(
                self.peer, inputs, data_samples, (), self.logits_index
            )
            logged |= {f'peer_{k}': v for k, v in supervised.items()}
            student = replace(student, peer_logits=peer.logits)
        logged |= own(student)
        if distilled.losses:
            teacher = self.teach(inputs, distilled.fields('teacher'))
            logged |= distilled(student, teacher)
        return logged

    @torch.no_grad()
    def teach(
        self, inputs: Float[Tensor, 'B 3 H W'], fields: Collection[str]
    ) -> SegOutput:
        """Return the teachers' record; a teacher nobody reads does not run.

        Args:
            inputs: Normalised images.
            fields: What is wanted of the record.
        """
        found: dict[str, Any] = {}
        if {'logits', 'feats'} & set(fields):
            found = teaching_pass(
                self.teacher, inputs, fields, self.logits_index
            )
        if 'slot_maps' in fields:
            slots: Any = self.slot_teacher
            found['slot_maps'] = slots(inputs)
        return SegOutput(**found)

    def _held(self, name: str) -> nn.Module | None:
        holder = self._holders.get(name)
        if holder is None:
            return None
        was_loaded = holder.is_loaded
        model = holder.get(next(self.student.parameters()))
        if name == 'teacher' and not was_loaded:
            check_segmentor(model, name, trains=False)
        return model

    def _given(self) -> frozenset[str]:
        """Return the fields of the student's record."""
        given = {'logits', 'feats', 'labels'}
        if auxiliary_heads(self.student):
            given.add('aux_logits')
        if self.peer is not None:
            given.add('peer_logits')
        return frozenset(given)

    def _apply(
        self, fn: Callable[[Tensor], Tensor], recurse: bool = True
    ) -> 'SegDistiller':
        """Let moves and casts reach the teachers as well."""
        for holder in self._holders.values():
            holder.apply(fn)
        return super()._apply(fn, recurse)


def _segmentor(model: dict | nn.Module, role: str) -> nn.Module:
    built: Any = model
    if isinstance(model, dict):
        built = MODELS.build(in_scope(model, 'mmseg', 'data_preprocessor'))
    check_segmentor(built, role, trains=True)
    return built


def _hold(
    teacher: dict | nn.Module | None,
    checkpoint: str | None,
    slot_teacher: dict | nn.Module | None,
) -> dict[str, TeacherHolder]:
    """Return the teachers that there are."""
    held = {}
    if teacher is not None:
        if isinstance(teacher, nn.Module):
            check_segmentor(teacher, 'teacher', trains=False)
        else:
            spare = ('auxiliary_head', 'data_preprocessor')
            teacher = in_scope(teacher, 'mmseg', *spare)
        held['teacher'] = TeacherHolder(
            teacher, checkpoint, (*TRAINING_ONLY, 'auxiliary_head.')
        )
    elif checkpoint is not None:
        raise ValueError(f'teacher_checkpoint {checkpoint} has no teacher')
    if slot_teacher is not None:
        if isinstance(slot_teacher, dict):
            if not slot_teacher.get('checkpoint'):
                raise ValueError(
                    'slot_teacher.checkpoint is missing: slots with random '
                    'weights teach nothing; give a path or URL'
                )
            slot_teacher = in_scope(slot_teacher, 'slotkd')
        held['slot_teacher'] = TeacherHolder(slot_teacher)
    return held
