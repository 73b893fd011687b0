"""Put the predicted tracks of a video on its sample."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Integer
from mmengine.structures import BaseDataElement
from torch import Tensor

from slotkd.models.queries.track_targets import has_tracks, track_targets
from slotkd.models.queries.video_result import (
    MaskGeometry,
    label_maps,
    track_table,
    video_tracks,
)
from slotkd.ops.query_matching import mask_coverage, match_queries
from slotkd.ops.track_association import association_counts


def predict_video(
    sample: Any,
    ids: Integer[Tensor, 'T Q'],
    cls_logits: Float[Tensor, 'T Q V'],
    mask_logits: Float[Tensor, 'T Q h w'],
    *,
    embeds: Float[Tensor, 'T Q D'] | None,
    padded: tuple[int, int],
    topk: int,
    category_ids: Sequence[int] | None,
) -> BaseDataElement:
    """Add tracks, a label map and what is known of the association.

    ``pred_tracks`` are those of
    :func:`slotkd.models.queries.video_result.video_tracks`, ``pred_masks``
    is their label map at the size of the picture, ``video_id`` is lifted
    from the frames. Where these are annotated, ``association`` holds the
    numbers of :func:`slotkd.ops.track_association.association_counts`.

    Args:
        sample: mmdet's sample of the video.
        ids: Identity of each query, -1 for none.
        cls_logits: Class scores of each query.
        mask_logits: Masks of each query before the sigmoid.
        embeds: Embedding of each query; None leaves ``association`` out.
        padded: Height and width of the model's input.
        topk: Most (track, class) pairs.
        category_ids: Category of each class; None counts from 1.

    Returns:
        The sample.

    Raises:
        ValueError: If the sample has another number of frames.
    """
    if len(sample) != len(ids):
        raise ValueError(
            f'the sample has {len(sample)} frames, the video {len(ids)}'
        )
    first = sample[0]
    image = tuple(first.get('img_shape', padded)[:2])
    geometry = MaskGeometry(
        padded=padded,
        image=image,
        original=tuple(first.get('ori_shape', image)[:2]),
    )
    table = track_table(ids, cls_logits)
    sample.pred_tracks = video_tracks(
        table, mask_logits, geometry, topk=topk, category_ids=category_ids
    )
    maps = label_maps(table, mask_logits, padded)
    sample.pred_masks = maps[:, : image[0], : image[1]]
    sample.set_metainfo(dict(video_id=first.get('video_id')))
    if embeds is not None and has_tracks([sample]):
        sample.association = _association(
            sample, ids, cls_logits, mask_logits, embeds, padded
        )
    return sample


@torch.no_grad()
def _association(
    sample: Any,
    ids: Integer[Tensor, 'T Q'],
    cls_logits: Float[Tensor, 'T Q V'],
    mask_logits: Float[Tensor, 'T Q h w'],
    embeds: Float[Tensor, 'T Q D'],
    padded: tuple[int, int],
) -> dict[str, float]:
    """Match the queries of each frame to truth and count kept identities."""
    targets = track_targets([sample], padded, ids.device)
    masks = targets.masks[0].transpose(0, 1)  # (T, O, H, W)
    query = match_queries(
        cls_logits,
        mask_logits.flatten(2),
        targets.labels.expand(len(ids), -1),
        mask_coverage(masks, mask_logits.shape[-2:]).flatten(2),
        present=masks.flatten(2).any(dim=2),
    )
    return association_counts(query, ids, embeds)
