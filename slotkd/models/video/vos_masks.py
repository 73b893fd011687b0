"""Read the masks that propagation starts from."""

from collections.abc import Sequence

import torch
from jaxtyping import Integer
from torch import Tensor

from slotkd.structures import VideoDataSample

VOID = 255


def count_objects(masks: Integer[Tensor, 'B H W']) -> Integer[Tensor, ' B']:
    """Return the largest object number of each mask."""
    return masks.masked_fill(masks == VOID, 0).flatten(1).amax(dim=1)


def with_masks(
    data_samples: Sequence[VideoDataSample] | None,
) -> list[VideoDataSample]:
    """Return samples, all of which have the masks to propagate.

    Raises:
        ValueError: If there are none, or one has no masks.
    """
    samples = list(data_samples or [])
    for sample in samples:
        if 'gt_masks' not in sample:
            raise ValueError(
                f'video {sample.get("video_id", "")} has no gt_masks, and '
                'mask propagation starts from the mask of the first frame'
            )
    if not samples:
        raise ValueError(
            'mask propagation starts from the mask of the first frame, but '
            'no data_samples are given'
        )
    return samples


def true_masks(
    data_samples: Sequence[VideoDataSample] | None,
) -> Integer[Tensor, 'B T H W']:
    """Return the true masks of clips of one size."""
    samples = with_masks(data_samples)
    return torch.stack([sample.gt_masks for sample in samples])
