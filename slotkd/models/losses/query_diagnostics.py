"""Numbers that tell whether teacher and student mean the same objects."""

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

from slotkd.models.losses.query_pairs import QueryAssociation
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.query_association import QueryPairs, pick_queries
from slotkd.structures import QueryOutput, TrackTargets, VideoQueryOutput


@torch.no_grad()
def query_diagnostics(
    student: QueryOutput,
    teacher: VideoQueryOutput,
    pairs: QueryPairs,
    association: QueryAssociation,
) -> dict[str, Tensor]:
    """Describe the pairs of a batch and the embeddings they join.

    Args:
        student: Record of a training step.
        teacher: Record of the same clips.
        pairs: What was paired.
        association: Options of the filter; only its thresholds are read.

    Returns:
        ``pairs``: pairs per frame. ``mean_weight`` of the pairs.
        ``teacher_cosine``: between queries of different tracks of a clip.
        Where the clips are annotated also ``pass_rate``: share of tracks
        that the teacher's filter keeps, and ``pass_rate_<class>``;
        ``pair_accuracy``: share of the pairs that join a query of the
        teacher that passes the filter with one of the student that overlaps
        the same track by half or more; ``same_cosine`` and
        ``different_cosine`` of the student's tracks across frames. What is
        undefined in the batch is left out.
    """
    frames = student.cls_logits.shape[0] * student.cls_logits.shape[1]
    numbers = {'pairs': pairs.weight.new_tensor(len(pairs) / frames)}
    if len(pairs):
        numbers['mean_weight'] = pairs.weight.mean()
    if student.targets is None or student.match is None:
        return numbers
    match, keep, _ = association.teacher_tracks(teacher, student.targets)
    numbers |= _pass_rates(keep, student.targets)
    if len(pairs):
        sure = association.only_sure().pairs(
            student, teacher, student.features
        )
        good = torch.isin(_names(pairs, student), _names(sure, student))
        numbers['pair_accuracy'] = good.float().mean()
    numbers |= _means(
        cross_frame_cosines(student.features, student.match),
        ('same_cosine', 'different_cosine'),
    )
    tracks = pick_queries(teacher.embeds, match)[:, None]
    numbers |= _means(
        _cosines(tracks, (match >= 0)[:, None], same_frame=True)[1:],
        ('teacher_cosine',),
    )
    return numbers


def cross_frame_cosines(
    embeds: Float[Tensor, 'B F Q D'], match: Integer[Tensor, 'B F O']
) -> tuple[Float[Tensor, ' _'], Float[Tensor, ' _']]:
    """Cosines of tracks in different frames of a clip.

    Args:
        embeds: Embedding of each query.
        match: Query of each track in each frame, -1 for none.

    Returns:
        Those of a track with itself, and those with another track.
    """
    tracks = pick_queries(embeds.flatten(0, 1), match.flatten(0, 1))
    tracks = tracks.unflatten(0, match.shape[:2])
    return _cosines(tracks, match >= 0, same_frame=False)


def _cosines(
    tracks: Float[Tensor, 'B F O D'],
    found: Bool[Tensor, 'B F O'],
    *,
    same_frame: bool,
) -> tuple[Float[Tensor, ' _'], Float[Tensor, ' _']]:
    units = F.normalize(at_least_fp32(tracks), dim=-1)
    cosines = torch.einsum('b a o d, b c p d -> b a c o p', units, units)
    both = found[:, :, None, :, None] & found[:, None, :, None]
    frames, objects = found.shape[1:]
    equal = torch.eye(frames, dtype=torch.bool, device=found.device)
    both = both & (equal if same_frame else ~equal)[:, :, None, None]
    own = torch.eye(objects, dtype=torch.bool, device=found.device)
    return cosines[both & own], cosines[both & ~own]


def _pass_rates(
    keep: Bool[Tensor, 'B O'], targets: TrackTargets
) -> dict[str, Tensor]:
    annotated = (targets.labels >= 0) & targets.visible.any(dim=2)
    rates = _means((keep[annotated].float(),), ('pass_rate',))
    for label in targets.labels[annotated].unique().tolist():
        kept = keep[annotated & (targets.labels == label)]
        rates[f'pass_rate_{label}'] = kept.float().mean()
    return rates


def _means(
    values: tuple[Tensor, ...], names: tuple[str, ...]
) -> dict[str, Tensor]:
    """Return the means of those that are not empty."""
    return {
        name: value.mean()
        for name, value in zip(names, values, strict=True)
        if len(value)
    }


def _names(pairs: QueryPairs, student: QueryOutput) -> Integer[Tensor, ' M']:
    """Give each combination of queries a number of its own."""
    frames, queries = student.cls_logits.shape[1:3]
    place = (pairs.clip * frames + pairs.frame) * queries + pairs.query
    # Far more than any model has queries.
    return place * 1_000_000 + pairs.teacher_query
