"""Which queries of an offline teacher may teach which of a student."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer, Num
from torch import Tensor

from slotkd.ops.precision import at_least_fp32
from slotkd.ops.query_matching import tube_iou


@dataclass(frozen=True, kw_only=True)
class QueryPairs:
    """Pairs of a student's and a teacher's query that mean one object.

    Args:
        clip: Clip of the batch.
        frame: Frame, counted among the student's.
        query: Query of the student in that frame.
        teacher_query: Query of the teacher.
        weight: Reliability, in (0, 1].
        label: Class of the object.
    """

    clip: Integer[Tensor, ' M']
    frame: Integer[Tensor, ' M']
    query: Integer[Tensor, ' M']
    teacher_query: Integer[Tensor, ' M']
    weight: Float[Tensor, ' M']
    label: Integer[Tensor, ' M']

    def __len__(self) -> int:
        return len(self.clip)


def pick_queries(
    values: Tensor, index: Integer[Tensor, 'N O']
) -> Num[Tensor, 'N O ...']:
    """Pick an entry of axis 1 for each object; of index -1 the first.

    Args:
        values: Values of each query, (N, U, ...).
        index: Query of each object.
    """
    rows = torch.arange(len(values), device=values.device)
    return values[rows[:, None], index.clamp(min=0)]


def filter_teacher(
    cls_logits: Float[Tensor, 'B U V'],
    iou: Float[Tensor, 'B U O'],
    labels: Integer[Tensor, 'B O'],
    match: Integer[Tensor, 'B O'],
    *,
    cls_thr: float | int | None = 0.3,
    tube_iou_thr: float | int | None = 0.5,
    exclusive: bool = True,
) -> tuple[Bool[Tensor, 'B O'], Float[Tensor, 'B O']]:
    """Tell for each track whether the teacher's query provably sits on it.

    Args:
        cls_logits: Class scores of the teacher; the last class is "no
            object".
        iou: :func:`slotkd.ops.query_matching.tube_iou` of each query with
            each track.
        labels: Class of each track, -1 for padding.
        match: Query of each track, -1 for none.
        cls_thr: The track's class must be the query's best, "no object"
            left out, with this probability or more; None asks for neither.
        tube_iou_thr: Smallest tube IoU; None asks for none.
        exclusive: No other track may overlap more with the query.

    Returns:
        Whether each track is kept, and ``p(class) * tube IoU``, its
        reliability in [0, 1].

    Source:
        Own reading of Kim et al., OOKD, arXiv:2302.07516, which filters
        irrelevant queries and does not publish how.
    """
    probs = pick_queries(at_least_fp32(cls_logits).softmax(dim=2), match)
    prob = probs.gather(2, labels.clamp(min=0)[:, :, None]).squeeze(2)
    overlaps = pick_queries(iou, match)  # (B, O, O'): with every track
    overlap = overlaps.diagonal(dim1=1, dim2=2)
    keep = (match >= 0) & (labels >= 0)
    if cls_thr is not None:
        best = probs[..., :-1].argmax(dim=2)
        keep = keep & (best == labels) & (prob >= cls_thr)
    if tube_iou_thr is not None:
        keep = keep & (overlap >= tube_iou_thr)
    if exclusive:
        keep = keep & (overlaps <= overlap[:, :, None]).all(dim=2)
    return keep, prob * overlap


def filter_student(
    mask_logits: Float[Tensor, 'B F Q h w'],
    true: Bool[Tensor, 'B F O h w'],
    match: Integer[Tensor, 'B F O'],
    *,
    min_cells: int = 16,
    iou_thr: float | int | None = 0.5,
) -> Bool[Tensor, 'B F O']:
    """Tell for each track whether it may be taught in a frame.

    Args:
        mask_logits: Masks of the student before the sigmoid.
        true: Cells that each track covers.
        match: Query of each track, -1 for none.
        min_cells: Fewest cells that a track must cover.
        iou_thr: Smallest IoU of the matched query's mask with the track;
            None asks for none.

    Source:
        As :func:`filter_teacher`.
    """
    cells = true.flatten(3).sum(dim=3)
    keep = (match >= 0) & (cells >= max(min_cells, 1))
    if iou_thr is None:
        return keep
    masks = pick_queries(mask_logits.flatten(0, 1), match.flatten(0, 1)) > 0
    tubes = masks.flatten(0, 1)[:, None, None]  # one each, of one frame
    overlap = tube_iou(tubes, true.flatten(0, 2)[:, None, None])
    return keep & (overlap.view_as(match) >= iou_thr)


def join_pairs(
    keep: Bool[Tensor, 'B F O'],
    match: Integer[Tensor, 'B F O'],
    teacher_match: Integer[Tensor, 'B O'],
    weight: Float[Tensor, 'B O'],
    labels: Integer[Tensor, 'B O'],
) -> QueryPairs:
    """Pair the queries of student and teacher that sit on one track.

    The same query of the teacher is the partner in every frame.

    Args:
        keep: Tracks that may be taught in a frame.
        match: Query of the student on each track in each frame.
        teacher_match: Query of the teacher on each track.
        weight: Reliability of each track.
        labels: Class of each track.
    """
    clip, frame, track = keep.nonzero(as_tuple=True)
    return QueryPairs(
        clip=clip,
        frame=frame,
        query=match[clip, frame, track],
        teacher_query=teacher_match[clip, track],
        weight=weight[clip, track],
        label=labels[clip, track],
    )


def reliable_tubes(
    cls_logits: Float[Tensor, 'B U V'],
    mask_logits: Float[Tensor, 'B U T h w'],
    *,
    cls_thr: float | int = 0.5,
    foreground_thr: float | int = 0.7,
    nms_thr: float | int = 0.6,
) -> tuple[Bool[Tensor, 'B U'], Float[Tensor, 'B U']]:
    """Tell which queries of a teacher can be trusted without labels.

    Args:
        cls_logits: Class scores; the last class is "no object".
        mask_logits: Masks before the sigmoid.
        cls_thr: Smallest probability of the best class, "no object" left
            out.
        foreground_thr: Smallest mean probability of the cells inside.
        nms_thr: Of two tubes that overlap more, only the more reliable one
            is kept.

    Returns:
        Whether each query is kept, and the product of both probabilities.

    Source:
        Own variant of :func:`filter_teacher` for videos without labels.
    """
    prob = at_least_fp32(cls_logits).softmax(dim=2)[..., :-1].amax(dim=2)
    masks = at_least_fp32(mask_logits).sigmoid().flatten(2)
    inside = masks > 0.5
    cells = inside.sum(dim=2)
    foreground = (masks * inside).sum(dim=2) / cells.clamp(min=1)
    keep = (prob >= cls_thr) & (foreground >= foreground_thr) & (cells > 0)
    score = (prob * foreground).where(keep, 0)
    tubes = inside.unflatten(2, mask_logits.shape[2:])
    return keep & _survives(score, tube_iou(tubes, tubes), nms_thr), score


def _survives(
    score: Float[Tensor, 'B U'], iou: Float[Tensor, 'B U U'], nms_thr: float
) -> Bool[Tensor, 'B U']:
    """Greedy suppression, best first; a loop over queries, not clips."""
    order = score.argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1)
    alive = torch.ones_like(score, dtype=torch.bool)
    clips = torch.arange(len(score), device=score.device)
    for best in order.unbind(1):
        # A suppressed query suppresses none.
        beaten = (iou[clips, best] > nms_thr) & alive[clips, best][:, None]
        alive = alive & ~(beaten & (rank > rank[clips, best][:, None]))
    return alive
