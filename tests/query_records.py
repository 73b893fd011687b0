"""Made-up clips with tracks, and models that see all of them perfectly."""

import torch
from torch import Tensor

from slotkd.ops.query_matching import mask_coverage, match_queries
from slotkd.structures import QueryOutput, TrackTargets, VideoQueryOutput

SIZE, GRID = 64, (16, 16)
SURE = 12.0  # a logit


def boxes(labels: list[list[int]], frames: int = 4) -> TrackTargets:
    """Return clips whose tracks are squares that move without touching.

    Args:
        labels: Class of each track of each clip, at most three.
        frames: Frames of a clip.
    """
    most = max(map(len, labels))
    masks = torch.zeros(
        len(labels), most, frames, SIZE, SIZE, dtype=torch.bool
    )
    padded = torch.full((len(labels), most), -1)
    for clip, classes in enumerate(labels):
        for track, label in enumerate(classes):
            padded[clip, track] = label
            top = 20 * track
            for t in range(frames):
                left = 4 * t + 8 * clip
                masks[clip, track, t, top : top + 20, left : left + 20] = True
    return targets(padded, masks)


def targets(labels: Tensor, masks: Tensor) -> TrackTargets:
    """Return tracks with identities 1, 2, 3 wherever they have a pixel."""
    visible = masks.flatten(3).any(dim=3)
    ids = torch.arange(1, labels.shape[1] + 1)[:, None].expand(visible.shape)
    return TrackTargets(labels=labels, masks=masks, ids=ids.where(visible, -1))


def class_logits(labels: Tensor, num_queries: int, classes: int) -> Tensor:
    """Return sure predictions of the first queries, the rest no object."""
    found = torch.full((*labels.shape[:-1], num_queries), classes)
    found[..., : labels.shape[-1]] = labels.where(labels >= 0, classes)
    return SURE * torch.nn.functional.one_hot(found, classes + 1).float()


def perfect_teacher(
    truth: TrackTargets,
    order: Tensor | None = None,
    *,
    num_queries: int = 7,
    classes: int = 4,
    width: int = 8,
) -> VideoQueryOutput:
    """Return a teacher whose query k sits on track k, then permuted.

    Args:
        truth: The tracks.
        order: Permutation of the queries.
        num_queries: Queries of a clip.
        classes: Classes without "no object".
        width: Of the embeddings.
    """
    batch, tracks, frames = truth.masks.shape[:3]
    masks = torch.full((batch, num_queries, frames, *GRID), -SURE)
    covered = mask_coverage(truth.masks, GRID) >= 0.5
    masks[:, :tracks][covered] = SURE
    rng = torch.Generator().manual_seed(3)
    embeds = torch.randn(batch, num_queries, width, generator=rng)
    order = torch.arange(num_queries) if order is None else order
    return VideoQueryOutput(
        cls_logits=class_logits(truth.labels, num_queries, classes)[:, order],
        mask_logits=masks[:, order],
        embeds=embeds[:, order],
    )


def perfect_student(
    truth: TrackTargets,
    order: Tensor | None = None,
    *,
    num_queries: int = 7,
    classes: int = 4,
    width: int = 8,
    picked: tuple[int, ...] = (0, 2),
) -> QueryOutput:
    """Return a student whose query k sits on track k, then permuted.

    Args:
        truth: The tracks of all frames.
        order: Permutation of the queries in every frame.
        num_queries: Queries of a frame.
        classes: Classes without "no object".
        width: Of the embeddings.
        picked: The student's frames.
    """
    batch = len(truth.labels)
    frames = torch.tensor(picked).expand(batch, -1)
    shape = (batch, len(picked), num_queries)
    masks = torch.full((*shape, *GRID), -SURE)
    covered = mask_coverage(truth.masks, GRID).transpose(1, 2)[:, picked]
    masks[:, :, : truth.labels.shape[1]][covered >= 0.5] = SURE
    labels = truth.labels[:, None].expand(-1, len(picked), -1)
    visible = truth.visible.transpose(1, 2)[:, picked]
    labels = labels.where(visible, -1)
    rng = torch.Generator().manual_seed(5)
    embeds = torch.randn(*shape, width, generator=rng)
    order = torch.arange(num_queries) if order is None else order
    cls_logits = class_logits(labels, num_queries, classes)[:, :, order]
    masks = masks[:, :, order]
    match = match_queries(
        cls_logits.flatten(0, 1),
        masks.flatten(0, 1).flatten(2),
        labels.flatten(0, 1),
        covered.flatten(0, 1).flatten(2),
        present=labels.flatten(0, 1) >= 0,
    )
    return QueryOutput(
        cls_logits=cls_logits,
        mask_logits=masks,
        embeds=embeds[:, :, order],
        frames=frames,
        match=match.unflatten(0, shape[:2]),
        targets=truth,
    )
