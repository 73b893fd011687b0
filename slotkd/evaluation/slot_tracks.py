"""Slots as scored tracks, and tracks grouped by how occluded they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from slotkd.evaluation.tracks import label_tracks
from slotkd.ops.vis_annotations import VisTrack, VisVideo

OCCLUSION = {
    'no_occlusion': 0.0,
    'slight_occlusion': 0.25,
    'severe_occlusion': 0.75,
}
_BINS = {'so': (-1.0, 0.25), 'mo': (0.25, 0.5), 'ho': (0.5, 1.0)}


def slot_scores(mask_logits: Float[Tensor, 'T K N']) -> Float[Tensor, ' K']:
    """Mean probability of each slot over the tokens that it wins.

    Args:
        mask_logits: Before the softmax over slots.

    Returns:
        Values in [0, 1]; 0 for a slot that wins nowhere.

    Source:
        Own choice: the mask confidence of detection models, for slots.
    """
    best = mask_logits.float().softmax(dim=1).max(dim=1)
    count = mask_logits.shape[1]
    winner, value = best.indices.flatten(), best.values.flatten()
    total = value.new_zeros(count).index_add(0, winner, value)
    return total / winner.bincount(minlength=count).clamp(min=1)


def slots_as_tracks(sample: Mapping[str, Any], video: VisVideo) -> list[dict]:
    """Return each slot of a video as a track with a score.

    Args:
        sample: ``pred_masks`` (T, H, W) at the size of the annotations and
            ``mask_logits`` (T, K, N).
        video: The video of the annotations.

    Raises:
        ValueError: If one of the two is missing or has another size.
    """
    where = f'video {str(video.id)!r}'
    for name, hint in (
        ('pred_masks', ''),
        ('mask_logits', '; set keep_maps=True of the model'),
    ):
        if name not in sample:
            raise ValueError(f'{where} has no {name}{hint}')
    shape = (video.length, *video.size)
    masks = sample['pred_masks'].cpu().numpy()
    if masks.shape != shape:
        raise ValueError(
            f'{where}: pred_masks are {masks.shape}, the annotations {shape}; '
            'whole frames with ResizeVideo(with_masks=False) fit'
        )
    scores = slot_scores(sample['mask_logits']).tolist()
    tracks = label_tracks(masks, len(scores))
    return [
        dict(score=score, track=track)
        for score, track in zip(scores, tracks, strict=True)
        if len(track.edges)
    ]


def occlusion_splits(
    tracks: Mapping[Any, Sequence[VisTrack]],
) -> dict[str, list[int]]:
    """Group the tracks of OVIS by how much they are occluded.

    The level of each frame counts 0, 0.25 or 0.75; a track's score is the
    mean over the more occluded half of its frames, rounded up. Slight ends
    at 0.25, moderate at 0.5, both included.

    Args:
        tracks: Id of a video to its tracks, which name the level of each
            frame.

    Returns:
        ``so``, ``mo`` and ``ho`` to the ids of annotations.

    Raises:
        ValueError: If a track names no level, or an unknown one.

    Source:
        Qi et al., Occluded Video Instance Segmentation, IJCV 2022,
        arXiv:2102.01558, Sec. 5. Not compared with the evaluation server.
    """
    groups: dict[str, list[int]] = {name: [] for name in _BINS}
    for track in (track for video in tracks.values() for track in video):
        score = _occlusion_score(track)
        for name, (low, high) in _BINS.items():
            if low < score <= high:
                groups[name].append(track.id)
    return groups


def _occlusion_score(track: VisTrack) -> float:
    levels = [level for level in track.occlusion or () if level is not None]
    unknown = [level for level in levels if level not in OCCLUSION]
    if unknown or not levels:
        found = f'unknown level {unknown[0]!r}' if unknown else 'no level'
        raise ValueError(f'annotation {track.id} has {found} of occlusion')
    scores = sorted((OCCLUSION[level] for level in levels), reverse=True)
    return float(np.mean(scores[: (len(scores) + 1) // 2]))
