"""The distiller of mask propagation: the teacher's masks teach the student."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Integer
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from slotkd.models.distillers.distiller import Distiller
from slotkd.models.distillers.pseudo_labels import (
    LabelRules,
    control_labels,
    cycle_overlap,
)
from slotkd.models.video.vos_masks import count_objects, with_masks
from slotkd.ops.choices import check_choice
from slotkd.ops.color import jitter_colors
from slotkd.ops.region_proposals import propose_regions
from slotkd.registry import MODELS
from slotkd.structures import VosOutput

VOID = 255
MODES = ('pseudo', 'label_free')

References = tuple[Integer[Tensor, 'B H W'], Integer[Tensor, ' B']]


@MODELS.register_module()
class VosDistiller(Distiller):
    """Train a student of mask propagation on what its teacher propagates.

    A training step: the teacher follows the masks of the first frame through
    the clip, without gradient; quality control decides which of its labels
    count; the student follows the same masks through the same frames with
    colours changed, its memory written with the teacher's labels at first
    (the student's ``label_iters``); the terms compare the two records. No
    true mask is read but that of the first frame, and in ``label_free`` mode
    not even that one.

    Args:
        student: Config or module, see
            :class:`slotkd.models.video.VosModel`. Its own losses must not
            read labels.
        teacher: Config or module: another such model, or a
            :class:`slotkd.models.video.ColorPropagation`.
        distill_losses: Terms for :class:`slotkd.models.losses.LossTerms`
            that read both records.
        pseudo: ``mode`` and the arguments of :class:`LabelRules`. Mode
            ``'pseudo'`` begins with the first of the samples' masks,
            ``'label_free'`` with regions of the first frame, see
            :func:`slotkd.ops.region_proposals.propose_regions`.
        regions: Options of the regions.
        jitter: Options of :func:`slotkd.ops.color.jitter_colors` for the
            student's frames; an empty dict takes its defaults, None changes
            nothing.
        teacher_checkpoint: Path or URL of the teacher's weights.
        data_preprocessor: Config of the preprocessor of both.
        init_cfg: mmengine's weight initialisation.

    Raises:
        ValueError: If the mode is unknown, a rule out of range, or one of
            the student's own losses reads labels.

    Source:
        Truong et al., arXiv:2401.13937, as far as it is publicly described;
        the steps are our choice.
    """

    def __init__(
        self,
        student: dict | nn.Module,
        teacher: dict | nn.Module,
        *,
        distill_losses: dict[str, dict[str, Any]],
        pseudo: Mapping[str, Any] | None = None,
        regions: Mapping[str, Any] | None = None,
        jitter: Mapping[str, Any] | None = None,
        teacher_checkpoint: str | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            student,
            teacher,
            distill_losses=distill_losses,
            teacher_checkpoint=teacher_checkpoint,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        rules = dict(pseudo or {})
        self.mode = rules.pop('mode', 'pseudo')
        check_choice('pseudo.mode', self.mode, MODES)
        self.rules = LabelRules(**rules)
        self.regions = dict(regions or {})
        self.jitter = None if jitter is None else dict(jitter)
        if 'labels' in self.student.losses.fields('output'):
            raise ValueError(
                "the student's own losses read labels, but in distillation "
                "there are none but the teacher's; use PseudoLabelLoss in "
                'distill_losses'
            )

    def loss(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[BaseDataElement] | None = None,
    ) -> dict[str, Tensor]:
        """Return the losses, and the share of clips that were kept."""
        own, terms = self.student.losses, self.distill_losses
        masks, counts = self.references(inputs, data_samples)
        with torch.no_grad():
            raw = self.propagate(inputs, masks, counts)
            overlap = self.cycle(inputs, raw, masks)
            teacher = control_labels(raw, masks, self.rules, overlap=overlap)
        changed = inputs
        if self.jitter is not None:
            changed = jitter_colors(inputs, **self.jitter)
        student = self.student.run(
            changed,
            masks,
            counts,
            self.student.memory_labels(raw.labels),
            own.fields('output') | terms.fields('student'),
        )
        kept = (teacher.labels != VOID).flatten(1).any(dim=1).float().mean()
        return own(student) | terms(student, teacher) | dict(kept_clips=kept)

    def references(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[BaseDataElement] | None,
    ) -> References:
        """Return the masks that clips begin with, and their objects."""
        if self.mode == 'label_free':
            return propose_regions(inputs[:, 0], **self.regions)
        samples: Any = with_masks(data_samples)
        first = torch.stack([sample.gt_masks[0] for sample in samples])
        return first, count_objects(first)

    def propagate(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        masks: Integer[Tensor, 'B H W'],
        counts: Integer[Tensor, ' B'],
    ) -> VosOutput:
        """Return what the teacher makes of the masks."""
        fields = self.distill_losses.fields('teacher')
        model: Any = self.teacher
        return model.run(inputs, masks, counts, fields=fields)

    def cycle(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        raw: VosOutput,
        masks: Integer[Tensor, 'B H W'],
    ) -> Float[Tensor, ' B'] | None:
        """Return the overlap after the way back, where a rule asks for it."""
        if self.rules.cycle_iou_thr is None:
            return None
        model: Any = self.teacher
        returned = model.run(
            inputs.flip(1), raw.labels[:, -1], raw.num_objects, fields=()
        )
        return cycle_overlap(returned.labels[:, -1], masks, raw.num_objects)
