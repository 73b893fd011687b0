"""Masks of an object through a video as the annotation of a YTVIS file."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from slotkd.ops.rle import encode_mask


def annotate_tube(
    tube: Bool[np.ndarray, 'T H W'], *, min_pixels: int = 1
) -> dict[str, Any] | None:
    """Return masks, boxes and areas of an object.

    Args:
        tube: Its pixels in each frame.
        min_pixels: Fewest pixels of a frame in which it counts as present.

    Returns:
        ``iscrowd``, ``segmentations`` (RLE), ``bboxes`` (left, top, width,
        height) and ``areas``, None in frames where it is absent; None where
        it is never present.
    """
    segmentations: list[Any] = []
    boxes: list[list[int] | None] = []
    areas: list[int | None] = []
    for mask in tube:
        area = int(mask.sum())
        if area < max(min_pixels, 1):
            segmentations.append(None)
            boxes.append(None)
            areas.append(None)
            continue
        rows = np.flatnonzero(mask.any(axis=1))
        columns = np.flatnonzero(mask.any(axis=0))
        low, high = (int(columns[0]), int(rows[0])), (columns[-1], rows[-1])
        box = [*low, int(high[0] - low[0] + 1), int(high[1] - low[1] + 1)]
        segmentations.append(encode_mask(mask))
        boxes.append(box)
        areas.append(area)
    if not any(areas):
        return None
    return dict(
        iscrowd=0, segmentations=segmentations, bboxes=boxes, areas=areas
    )
