"""QueryAssociation: filter the teacher's queries and pair them by identity."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

from slotkd.models.losses.loss_terms import training_step
from slotkd.ops.choices import check_choice
from slotkd.ops.matching import hungarian_match
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.query_association import (
    QueryPairs,
    filter_student,
    filter_teacher,
    join_pairs,
    reliable_tubes,
)
from slotkd.ops.query_matching import (
    mask_coverage,
    match_queries,
    tube_iou,
)
from slotkd.structures import QueryOutput, TrackTargets, VideoQueryOutput

MODES = ('gt', 'pseudo', 'index', 'cosine')
WEIGHTS = ('prob_x_iou', 'none')
FIELDS = (
    'features',
    'cls_logits',
    'mask_logits',
    'frames',
    'match',
    'targets',
)
TEACHER_FIELDS = ('embeds', 'cls_logits', 'mask_logits')


@dataclass(frozen=True, kw_only=True)
class QueryAssociation:
    """Choose the pairs of queries through which a teacher may teach.

    Args:
        mode: ``'gt'`` pairs queries that sit on the same annotated track;
            ``'pseudo'`` does it on the teacher's reliable tubes, without
            labels. For comparison only, both without any filter:
            ``'index'`` pairs queries of equal index, ``'cosine'`` those of
            the assignment with the largest summed cosine.
        cls_thr: See :func:`slotkd.ops.query_association.filter_teacher`, as
            are the next two; for ``'gt'``.
        tube_iou_thr: Smallest tube IoU of teacher and track.
        exclusive: Whether the track must be the one its query covers best.
        weight: ``'prob_x_iou'`` weighs pairs by the teacher's reliability,
            ``'none'`` all alike.
        student_iou_thr: Smallest IoU of the student's mask with the object
            in that frame; None asks for none.
        student_filter_begin: Training iteration from which
            ``student_iou_thr`` counts: early queries are poor, but their
            identity is known and guidance is worth most.
        min_cells: Fewest cells of the student's grid that an object must
            cover in a frame.
        pseudo_cls_thr: See
            :func:`slotkd.ops.query_association.reliable_tubes`, as are the
            next two; for ``'pseudo'``.
        pseudo_foreground_thr: Smallest mean probability inside a tube.
        pseudo_nms_thr: Largest overlap of two tubes.

    Raises:
        ValueError: If ``mode`` or ``weight`` is unknown, or a threshold lies
            outside [0, 1].

    Source:
        Own reading of Kim et al., OOKD, arXiv:2302.07516, whose query
        filtering and association is not published in detail.
    """

    mode: str = 'gt'
    cls_thr: float | int | None = 0.3
    tube_iou_thr: float | int | None = 0.5
    exclusive: bool = True
    weight: str = 'prob_x_iou'
    student_iou_thr: float | int | None = 0.5
    student_filter_begin: int = 0
    min_cells: int = 16
    pseudo_cls_thr: float | int = 0.5
    pseudo_foreground_thr: float | int = 0.7
    pseudo_nms_thr: float | int = 0.6

    def __post_init__(self) -> None:
        check_choice('qfa.mode', self.mode, MODES)
        check_choice('qfa.weight', self.weight, WEIGHTS)
        for name in vars(self):
            value = getattr(self, name)
            if name.endswith('_thr') and value is not None:
                if not 0 <= value <= 1:
                    raise ValueError(
                        f'qfa.{name} must lie in [0, 1], got {value}'
                    )

    @torch.no_grad()
    def pairs(
        self,
        student: QueryOutput,
        teacher: VideoQueryOutput,
        projected: Float[Tensor, 'B F Q E'],
    ) -> QueryPairs:
        """Pair the queries of two records.

        Args:
            student: Record of a training step.
            teacher: Record of the same clips.
            projected: Embeddings of the student in the teacher's width, for
                ``'cosine'``.

        Raises:
            ValueError: If the records do not fit each other, or the
                student's was made without annotations.
        """
        check_records(student, teacher)
        if self.mode == 'index':
            return _pairs_by_index(student, teacher)
        if self.mode == 'cosine':
            return _pairs_by_cosine(projected, teacher)
        if self.mode == 'pseudo':
            return self._pairs_by_tubes(student, teacher)
        targets, match = annotated(student)
        teacher_match, keep, weight = self.teacher_tracks(teacher, targets)
        true = mask_coverage(targets.masks, student.mask_logits.shape[-2:])
        true = _at_frames(true >= 0.5, student.frames)
        keep_frames = self._student_tracks(student, true, match)
        return join_pairs(
            keep_frames & keep[:, None],
            match,
            teacher_match,
            weight if self.weight == 'prob_x_iou' else torch.ones_like(weight),
            targets.labels,
        )

    def only_sure(self) -> 'QueryAssociation':
        """Return the strict variant: annotated, with every filter on."""
        return QueryAssociation(min_cells=self.min_cells)

    def teacher_tracks(
        self, teacher: VideoQueryOutput, targets: TrackTargets
    ) -> tuple[
        Integer[Tensor, 'B O'], Bool[Tensor, 'B O'], Float[Tensor, 'B O']
    ]:
        """Match the teacher to tracks; tell which pass, and how surely.

        Args:
            teacher: The teacher's record.
            targets: The annotated tracks of the same clips.

        Returns:
            Query of each track or -1, whether it is kept, and the
            reliability in [0, 1].
        """
        grid = teacher.mask_logits.shape[-2:]
        coverage = mask_coverage(targets.masks, grid)
        match = match_queries(
            teacher.cls_logits,
            teacher.mask_logits.flatten(2),
            targets.labels,
            coverage.flatten(2),
            present=(targets.labels >= 0) & targets.visible.any(dim=2),
        )
        keep, weight = filter_teacher(
            teacher.cls_logits,
            tube_iou(teacher.mask_logits > 0, coverage >= 0.5),
            targets.labels,
            match,
            cls_thr=self.cls_thr,
            tube_iou_thr=self.tube_iou_thr,
            exclusive=self.exclusive,
        )
        return match, keep, weight

    def _student_tracks(
        self,
        student: QueryOutput,
        true: Bool[Tensor, 'B F O h w'],
        match: Integer[Tensor, 'B F O'],
    ) -> Bool[Tensor, 'B F O']:
        begun = training_step() >= self.student_filter_begin
        return filter_student(
            student.mask_logits,
            true,
            match,
            min_cells=self.min_cells,
            iou_thr=self.student_iou_thr if begun else None,
        )

    def _pairs_by_tubes(
        self, student: QueryOutput, teacher: VideoQueryOutput
    ) -> QueryPairs:
        """Let the teacher's reliable tubes take the place of tracks."""
        keep, weight = reliable_tubes(
            teacher.cls_logits,
            teacher.mask_logits,
            cls_thr=self.pseudo_cls_thr,
            foreground_thr=self.pseudo_foreground_thr,
            nms_thr=self.pseudo_nms_thr,
        )
        labels = teacher.cls_logits[..., :-1].argmax(dim=2)
        tubes = at_least_fp32(teacher.mask_logits).flatten(0, 1)
        tubes = F.interpolate(tubes, student.mask_logits.shape[-2:])
        tubes = tubes.unflatten(0, teacher.mask_logits.shape[:2]) > 0
        true = _at_frames(tubes, student.frames)
        frames = student.cls_logits.shape[1]
        present = keep[:, None] & true.flatten(3).any(dim=3)
        match = match_queries(
            student.cls_logits.flatten(0, 1),
            student.mask_logits.flatten(0, 1).flatten(2),
            labels.repeat_interleave(frames, dim=0),
            true.flatten(0, 1).flatten(2).float(),
            present=present.flatten(0, 1),
        ).unflatten(0, present.shape[:2])
        queries = torch.arange(labels.shape[1], device=labels.device)
        return join_pairs(
            self._student_tracks(student, true, match),
            match,
            queries.expand_as(labels),
            weight if self.weight == 'prob_x_iou' else torch.ones_like(weight),
            labels,
        )


def annotated(
    output: QueryOutput,
) -> tuple[TrackTargets, Integer[Tensor, 'B F O']]:
    """Return tracks and matches of a record that must have them.

    Raises:
        ValueError: If the record was made without annotations.
    """
    if output.targets is None or output.match is None:
        raise ValueError(
            'the student has no targets: this loss needs clips with '
            "annotated tracks, qfa.mode 'pseudo' does without"
        )
    return output.targets, output.match


def check_records(student: QueryOutput, teacher: VideoQueryOutput) -> None:
    """Stop where two records cannot come from the same clips and classes.

    Raises:
        ValueError: Names what differs, with both values.
    """
    for what, ours, theirs in (
        ('clips', len(student.cls_logits), len(teacher.cls_logits)),
        (
            'classes, "no object" included',
            student.cls_logits.shape[-1],
            teacher.cls_logits.shape[-1],
        ),
    ):
        if ours != theirs:
            raise ValueError(
                f'the student has {ours} {what}, the teacher {theirs}'
            )
    if student.targets is not None:
        frames = student.targets.masks.shape[2]
        if teacher.mask_logits.shape[2] != frames:
            raise ValueError(
                f'the clip has {frames} annotated frames, the teacher saw '
                f'{teacher.mask_logits.shape[2]}'
            )


def _at_frames(
    masks: Bool[Tensor, 'B O T h w'], frames: Integer[Tensor, 'B F'] | None
) -> Bool[Tensor, 'B F O h w']:
    """Pick the student's frames of tubes."""
    by_frame = masks.transpose(1, 2)
    if frames is None:
        return by_frame
    clips = torch.arange(len(masks), device=masks.device)
    return by_frame[clips[:, None], frames]


def _pairs_by_index(
    student: QueryOutput, teacher: VideoQueryOutput
) -> QueryPairs:
    batch, frames, queries = student.cls_logits.shape[:3]
    count = min(queries, teacher.cls_logits.shape[1])
    index = torch.arange(count, device=student.cls_logits.device)
    return _all_pairs(index.expand(batch, frames, count))


def _pairs_by_cosine(
    projected: Float[Tensor, 'B F Q E'], teacher: VideoQueryOutput
) -> QueryPairs:
    ours = F.normalize(at_least_fp32(projected), dim=-1)
    theirs = F.normalize(at_least_fp32(teacher.embeds), dim=-1)
    cosine = ours @ theirs[:, None].mT
    match = hungarian_match(cosine.flatten(0, 1))
    return _all_pairs(match.unflatten(0, cosine.shape[:2]))


def _all_pairs(partner: Integer[Tensor, 'B F Q']) -> QueryPairs:
    """Pair every query that has a partner; all count as of one class."""
    clip, frame, query = (partner >= 0).nonzero(as_tuple=True)
    return QueryPairs(
        clip=clip,
        frame=frame,
        query=query,
        teacher_query=partner[clip, frame, query],
        weight=torch.ones(len(clip), device=partner.device),
        label=torch.zeros_like(clip),
    )
