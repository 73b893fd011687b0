"""One label map out of a mask for each instance."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, UInt8

VOID = 255  # label of pixels that do not count


def labels_from_channels(
    channels: Iterable[Bool[np.ndarray, '*T H W']],
    shape: tuple[int, ...],
    *,
    ignore_overlaps: bool = False,
) -> UInt8[np.ndarray, '*T H W']:
    """Merge one mask per instance into a label volume.

    Args:
        channels: Masks of the instances, without a background channel; an
            array counts along its first axis.
        shape: Shape of the volume; masks are of this shape.
        ignore_overlaps: Mark pixels of several instances as void instead of
            raising.

    Returns:
        1 + channel, 0 where no instance is, 255 where several are.

    Raises:
        ValueError: If instances overlap, a mask has another shape, or there
            are more instances than labels below void.
    """
    labels = np.zeros(shape, np.uint8)
    overlap = np.zeros(shape, bool)
    for label, mask in enumerate(channels, 1):
        if mask.shape != tuple(shape):
            raise ValueError(
                f'mask of instance {label} is {mask.shape}, the labels are '
                f'{tuple(shape)}'
            )
        if label >= VOID:
            raise ValueError(
                f'{label} or more instances do not fit below void {VOID}'
            )
        overlap |= mask & (labels > 0)
        labels[mask] = label
    if not ignore_overlaps and overlap.any():
        raise ValueError(
            f'instances overlap in {int(overlap.sum())} pixels; set '
            'ignore_overlaps=True to leave these out'
        )
    labels[overlap] = VOID
    return labels
