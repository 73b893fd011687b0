"""Label volumes, and one table of counts that every overlap is read from."""

import numpy as np
import torch
from jaxtyping import Float, Integer, Shaped
from torch import Tensor

from slotkd.ops.instance_labels import VOID

Volume = Shaped[Tensor, '...'] | Shaped[np.ndarray, '...']

_DENSE = 512  # widest range of labels that is counted without sorting


def joint_counts(
    pred: Volume, true: Volume
) -> tuple[Float[Tensor, 'T G K'], Integer[Tensor, ' G']]:
    """Count the pixels of each true label and slot, frame by frame.

    Args:
        pred: Slot of each pixel; any integers.
        true: Label of each pixel; 0 background, 255 void. The first of three
            axes is time; a volume with fewer is one frame.

    Returns:
        Exact float64 counts on the CPU, without void pixels, and the label
        of each row.

    Raises:
        ValueError: If the shapes differ, the volumes are empty, or a true
            label is negative.
        TypeError: If a volume does not hold integers.
    """
    seen, truth = as_integers(pred, 'pred'), as_integers(true, 'true')
    if seen.shape != truth.shape:
        raise ValueError(
            f'pred has shape {tuple(seen.shape)} but true has '
            f'{tuple(truth.shape)}'
        )
    if truth.numel() == 0:
        raise ValueError(f'label volume is empty: {tuple(truth.shape)}')
    time = truth.shape[0] if truth.ndim > 2 else 1
    columns, slots = _codes(seen.to(truth.device).reshape(time, -1))
    rows, labels = _codes(truth.reshape(time, -1))
    if labels[0] < 0:
        raise ValueError(f'true holds the negative label {int(labels[0])}')
    height, width = len(labels), len(slots)
    tables = [
        torch.bincount(row * width + column, minlength=height * width)
        for row, column in zip(rows, columns, strict=True)
    ]
    counts = torch.stack(tables).cpu().double().unflatten(1, (height, width))
    labels = labels.cpu()
    return counts[:, labels != VOID], labels[labels != VOID]


def as_integers(volume: Volume, name: str) -> Integer[Tensor, '...']:
    """Return the volume as int64.

    Raises:
        TypeError: If it does not hold integers or booleans.
    """
    if isinstance(volume, np.ndarray):
        if volume.dtype.kind not in 'biu':
            raise TypeError(f'{name} must hold integers, got {volume.dtype}')
        return torch.from_numpy(volume.astype(np.int64))
    if volume.is_floating_point() or volume.is_complex():
        raise TypeError(f'{name} must hold integers, got {volume.dtype}')
    return volume.long()


def masks_of(sample: dict) -> tuple[Tensor, Tensor] | None:
    """Return prediction and truth of a video sample, None without truth.

    Args:
        sample: A :class:`VideoDataSample` as the evaluator hands it over.

    Raises:
        ValueError: If the prediction is missing or differs in shape.
    """
    pred, true = sample.get('pred_masks'), sample.get('gt_masks')
    if true is None:
        return None
    video = sample.get('video_id')
    if pred is None:
        raise ValueError(f'video {video!r} has gt_masks, no pred_masks')
    if pred.shape != true.shape:
        raise ValueError(
            f'video {video!r}: pred_masks has shape {tuple(pred.shape)} but '
            f'gt_masks has {tuple(true.shape)}'
        )
    return pred, true


def _codes(
    volume: Integer[Tensor, '...'],
) -> tuple[Integer[Tensor, '...'], Integer[Tensor, ' G']]:
    """Number the labels densely; return the numbers and what they stand for.

    A narrow range is shifted, labels that do not occur included; a wide one
    is sorted.
    """
    low, high = (int(v) for v in torch.aminmax(volume))
    if high - low < _DENSE:
        return volume - low, torch.arange(low, high + 1, device=volume.device)
    labels, codes = torch.unique(volume, return_inverse=True)
    return codes, labels
