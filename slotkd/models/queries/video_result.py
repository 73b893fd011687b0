"""From tracked queries to scored tracks with masks at the size on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

from slotkd.models.queries.tracker import TrackState
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.rle import encode_mask


@dataclass(frozen=True, kw_only=True)
class MaskGeometry:
    """Sizes, height and width each, between a model's masks and the disk.

    Args:
        padded: Of the model's input.
        image: Of the picture in it, at the upper left.
        original: Of the frame on disk.
    """

    padded: tuple[int, int]
    image: tuple[int, int]
    original: tuple[int, int]


def restore_masks(
    mask_logits: Float[Tensor, 'K h w'], geometry: MaskGeometry
) -> Bool[Tensor, 'K H W']:
    """Resize masks to the frame on disk, undo the padding, and threshold.

    Args:
        mask_logits: Masks before the sigmoid.
        geometry: Sizes on the way.

    Returns:
        Where the resized logit is above 0.
    """
    if not len(mask_logits):
        return mask_logits.new_zeros(0, *geometry.original) > 0
    masks = at_least_fp32(mask_logits)[None]
    masks = F.interpolate(masks, geometry.padded, mode='bilinear')
    height, width = geometry.image
    masks = masks[..., :height, :width]
    if geometry.image != geometry.original:
        masks = F.interpolate(masks, geometry.original, mode='bilinear')
    return masks[0] > 0


@dataclass(frozen=True, kw_only=True)
class TrackTable:
    """The tracks of a video.

    Args:
        ids: Identity of each track, ascending.
        query: Query of each track in each frame, -1 where it has none.
        cls_logits: Mean class logits of each track over its frames.
    """

    ids: Integer[Tensor, ' K']
    query: Integer[Tensor, 'T K']
    cls_logits: Float[Tensor, 'K V']


def track_table(
    ids: Integer[Tensor, 'T Q'], cls_logits: Float[Tensor, 'T Q V']
) -> TrackTable:
    """Sort the queries of all frames by track.

    Args:
        ids: Identity of each query, -1 for none.
        cls_logits: Class scores of each query.
    """
    names = ids[ids >= 0].unique()
    belongs = ids[:, :, None] == names  # (T, Q, K)
    query = belongs.long().argmax(dim=1).where(belongs.any(dim=1), -1)
    shares = belongs.to(cls_logits.dtype)
    shares = shares / shares.sum(dim=(0, 1)).clamp(min=1)
    means = torch.einsum('t q k, t q v -> k v', shares, cls_logits)
    return TrackTable(ids=names, query=query, cls_logits=means)


def best_classes(
    cls_logits: Float[Tensor, 'K V'], topk: int
) -> tuple[Float[Tensor, ' R'], Integer[Tensor, ' R'], Integer[Tensor, ' R']]:
    """Return the most probable (track, class) pairs of a video.

    Args:
        cls_logits: Mean class logits; the last class is "no object".
        topk: Most pairs.

    Returns:
        Probability, track and class of each, best first.
    """
    probs = at_least_fp32(cls_logits).softmax(dim=1)[:, :-1]
    flat = probs.flatten()
    scores, index = flat.topk(min(topk, len(flat)))
    classes = max(probs.shape[1], 1)
    return scores, index // classes, index % classes


def video_tracks(
    table: TrackTable,
    mask_logits: Float[Tensor, 'T Q h w'],
    geometry: MaskGeometry,
    *,
    topk: int,
    category_ids: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """Return the scored tracks of a video, as in YTVIS results.

    Args:
        table: Tracks of the video.
        mask_logits: Masks of each query in each frame.
        geometry: Sizes on the way to the frame on disk.
        topk: Most (track, class) pairs.
        category_ids: Category of each class in the results; None counts
            from 1.

    Returns:
        ``category_id``, ``score``, ``track_id`` and ``segmentations``, one
        RLE for each frame or None where the track has no pixel.

    Source:
        The protocol of NVlabs/MinVIS and the format of
        youtubevos/cocoapi@f3f9948.
    """
    scores, tracks, labels = best_classes(table.cls_logits, topk)
    chosen = tracks.unique()
    segmentations: dict[int, list[Any]] = {int(k): [] for k in chosen}
    for query, masks in zip(table.query, mask_logits, strict=True):
        here = query[chosen]
        drawn = restore_masks(masks[here.clamp(min=0)], geometry)
        drawn = drawn & (here >= 0)[:, None, None]
        for k, mask in zip(chosen.tolist(), drawn.cpu().numpy(), strict=True):
            rle = encode_mask(mask) if mask.any() else None
            segmentations[k].append(rle)
    return [
        dict(
            category_id=(
                label + 1 if category_ids is None else category_ids[label]
            ),
            score=score,
            track_id=int(table.ids[track]),
            segmentations=segmentations[track],
        )
        for score, track, label in zip(
            scores.tolist(), tracks.tolist(), labels.tolist(), strict=True
        )
    ]


def label_maps(
    table: TrackTable,
    mask_logits: Float[Tensor, 'T Q h w'],
    size: tuple[int, int],
    *,
    score_thr: float | int = 0.3,
) -> Integer[Tensor, 'T H W']:
    """Paint the sure tracks of a video, for pictures.

    Args:
        table: Tracks of the video.
        mask_logits: Masks of each query in each frame.
        size: Height and width of the result.
        score_thr: Smallest probability of a track's best class.

    Returns:
        Number of the track from 1 in the order of ids, 0 for background; the
        track with the highest logit where several claim a pixel.
    """
    probs = at_least_fp32(table.cls_logits).softmax(dim=1)[:, :-1]
    sure = torch.arange(len(probs), device=probs.device)
    sure = sure[(probs >= score_thr).any(dim=1)]
    maps = []
    for query, masks in zip(table.query, mask_logits, strict=True):
        here = query[sure]
        logits = at_least_fp32(masks[here.clamp(min=0)])
        logits = logits.masked_fill((here < 0)[:, None, None], -1e4)
        background = logits.new_zeros(1, *logits.shape[1:])
        layers = torch.cat([background, logits])[None]
        top = F.interpolate(layers, size, mode='bilinear')[0].argmax(dim=0)
        names = torch.cat([sure.new_zeros(1), sure + 1])
        maps.append(names[top])
    return torch.stack(maps)


@dataclass(frozen=True, kw_only=True)
class FrameTracks:
    """The objects of one frame of a stream.

    Args:
        ids: Identity of each object, the same in every frame.
        labels: Class of each, from 0.
        scores: Probability of that class, from all frames so far.
        masks: Pixels of each.
    """

    ids: Integer[Tensor, ' K']
    labels: Integer[Tensor, ' K']
    scores: Float[Tensor, ' K']
    masks: Bool[Tensor, 'K H W']


def frame_tracks(
    ids: Integer[Tensor, ' Q'],
    state: TrackState,
    mask_logits: Float[Tensor, 'Q h w'],
    geometry: MaskGeometry,
    score_thr: float | int,
) -> FrameTracks:
    """Return the sure objects of the latest frame of a stream.

    Args:
        ids: Identity of each query, -1 for none.
        state: The tracker's state after the frame.
        mask_logits: Masks of each query before the sigmoid.
        geometry: Sizes on the way to the masks.
        score_thr: Smallest probability of an object's best class.
    """
    probs = at_least_fp32(state.mean_cls_logits).softmax(dim=1)[:, :-1]
    scores, labels = probs.max(dim=1)
    here = state.ids[:, None] == ids  # (K, Q)
    sure = here.any(dim=1) & (scores >= score_thr)
    query = here[sure].long().argmax(dim=1)
    masks = restore_masks(mask_logits[query], geometry)
    drawn = masks.flatten(1).any(dim=1)
    return FrameTracks(
        ids=state.ids[sure][drawn],
        labels=labels[sure][drawn],
        scores=scores[sure][drawn],
        masks=masks[drawn],
    )
