"""How well slots find objects: ARI, FG-ARI, mBO and Hungarian mIoU.

Every score is read from one table of counts: pixels with a true label (rows)
and a slot (columns). In the truth 0 is background and 255 is void; void
pixels are left out of truth and prediction alike.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Integer
from mmengine.evaluator import BaseMetric
from torch import Tensor

from slotkd.evaluation.label_volumes import Volume, joint_counts, masks_of
from slotkd.ops.choices import check_choice
from slotkd.ops.matching import hungarian_match
from slotkd.registry import METRICS

BACKGROUNDS = ('channel', 'none')


def adjusted_rand_index(
    pred: Volume,
    true: Volume,
    ignore_background: bool = True,
    *,
    background: str = 'channel',
) -> float:
    """Adjusted Rand index of two label volumes; FG-ARI by default.

    Pair counts of the table are compared with those of random labels of the
    same sizes. A whole volume is one sample; for the image level pass one
    frame at a time.

    Args:
        pred: Slot of each pixel, (T, H, W) or (H, W); any integers.
        true: Instance of each pixel, same shape; 0 background, 255 void.
        ignore_background: Leave true background out, which gives FG-ARI.
            False counts it as one more class.
        background: What 0 means in the truth. "channel": annotated as
            background (MOVi), so a volume of background alone scores 1.
            "none": not annotated (YTVIS), never counted.

    Returns:
        1 for equal partitions, about 0 for random ones, at least -1; NaN
        where no pixel is annotated.

    Raises:
        ValueError: If the shapes differ, the volumes are empty, a true label
            is negative, or ``background`` is neither of the two.
        TypeError: If a volume does not hold integers.

    Source:
        Hubert and Arabie, Comparing Partitions, 1985; the rules of
        martius-lab/slotcontrast:slotcontrast/metrics.py@17b42b05.
    """
    counts, labels = joint_counts(pred, true)
    return _rand_index(
        counts.sum(0, keepdim=True), labels, ignore_background, background
    ).item()


def mean_best_overlap(
    pred: Volume, true: Volume, *, ignore_background: bool = True
) -> float:
    """Mean over true objects of the best IoU that any slot has with them.

    A slot may serve several objects. Slot pixels on true background count
    as false positives.

    Args:
        pred: Slot of each pixel, (T, H, W) or (H, W); any integers.
        true: Instance of each pixel, same shape; 0 background, 255 void.
        ignore_background: False takes true background for one more object.

    Returns:
        Value in [0, 1], or NaN where the truth has no object.

    Raises:
        ValueError: As :func:`adjusted_rand_index`.
        TypeError: As :func:`adjusted_rand_index`.

    Source:
        Pont-Tuset et al., MCG, TPAMI 2017, arXiv:1503.00848; the rules of
        martius-lab/slotcontrast:slotcontrast/metrics.py@17b42b05.
    """
    counts, labels = joint_counts(pred, true)
    overlap, present = _overlaps(
        counts.sum(0, keepdim=True), labels, ignore_background
    )
    return _best_overlap(overlap, present).item()


def hungarian_miou(
    pred: Volume, true: Volume, *, ignore_background: bool = True
) -> float:
    """Mean IoU of true objects with slots matched to them one to one.

    The assignment has the largest sum of IoU; an object left without a slot
    counts 0.

    Args:
        pred: Slot of each pixel, (T, H, W) or (H, W); any integers.
        true: Instance of each pixel, same shape; 0 background, 255 void.
        ignore_background: False takes true background for one more object.

    Returns:
        Value in [0, 1], at most :func:`mean_best_overlap`; NaN where the
        truth has no object.

    Raises:
        ValueError: As :func:`adjusted_rand_index`.
        TypeError: As :func:`adjusted_rand_index`.
    """
    counts, labels = joint_counts(pred, true)
    overlap, present = _overlaps(
        counts.sum(0, keepdim=True), labels, ignore_background
    )
    return _matched_overlap(overlap, present).item()


def discovery_scores(
    pred: Volume, true: Volume, *, background: str = 'channel'
) -> dict[str, Float[Tensor, ' S']]:
    """All scores of one video, as a single sample and frame by frame.

    Args:
        pred: Slot of each pixel, (T, H, W).
        true: Instance of each pixel, (T, H, W); 0 background, 255 void.
        background: As in :func:`adjusted_rand_index`.

    Returns:
        ``fg_ari``, ``ari``, ``mbo`` and ``miou`` with one value, and the
        same under ``image_`` with one value for each frame. NaN marks a
        sample that is not to be counted.

    Raises:
        ValueError: As :func:`adjusted_rand_index`.
        TypeError: As :func:`adjusted_rand_index`.
    """
    frames, labels = joint_counts(pred, true)
    scores: dict[str, Tensor] = {}
    for level, counts in (
        ('', frames.sum(0, keepdim=True)),
        ('image_', frames),
    ):
        overlap, present = _overlaps(counts, labels, True)
        scores |= {
            f'{level}fg_ari': _rand_index(counts, labels, True, background),
            f'{level}ari': _rand_index(counts, labels, False, background),
            f'{level}mbo': _best_overlap(overlap, present),
            f'{level}miou': _matched_overlap(overlap, present),
        }
    return scores


def _rand_index(
    counts: Float[Tensor, 'S G K'],
    labels: Integer[Tensor, ' G'],
    ignore_background: bool,
    background: str,
) -> Float[Tensor, ' S']:
    check_choice('background', background, BACKGROUNDS)
    objects = counts[:, labels > 0]
    annotated = counts if background == 'channel' else objects
    table = objects if ignore_background else annotated
    rows, columns, total = table.sum(2), table.sum(1), table.sum((1, 2))
    both = (table * (table - 1)).sum((1, 2))
    in_true = (rows * (rows - 1)).sum(1)
    in_pred = (columns * (columns - 1)).sum(1)
    expected = in_true * in_pred / (total * (total - 1)).clamp(min=1)
    room = (in_true + in_pred) / 2 - expected
    index = torch.where(room == 0, 1.0, (both - expected) / room)
    return index.masked_fill(annotated.sum((1, 2)) == 0, torch.nan)


def _overlaps(
    counts: Float[Tensor, 'S G K'],
    labels: Integer[Tensor, ' G'],
    ignore_background: bool,
) -> tuple[Float[Tensor, 'S O K'], Bool[Tensor, 'S O']]:
    """IoU of objects with slots, and which objects a sample holds."""
    common = counts[:, labels > 0] if ignore_background else counts
    area = common.sum(2, keepdim=True)
    union = area + counts.sum(1, keepdim=True) - common
    return common / union.clamp(min=1), area[..., 0] > 0


def _best_overlap(
    overlap: Float[Tensor, 'S O K'], present: Bool[Tensor, 'S O']
) -> Float[Tensor, ' S']:
    return overlap.amax(2).sum(1) / present.sum(1)


def _matched_overlap(
    overlap: Float[Tensor, 'S O K'], present: Bool[Tensor, 'S O']
) -> Float[Tensor, ' S']:
    slot = hungarian_match(overlap)[..., None]
    matched = overlap.gather(2, slot.clamp(min=0)) * (slot >= 0)
    return matched.sum((1, 2)) / present.sum(1)


@METRICS.register_module()
class ObjectDiscoveryMetric(BaseMetric):
    """FG-ARI, ARI, mBO and Hungarian mIoU over whole videos and frames.

    Reads ``pred_masks`` and ``gt_masks`` of each video and reports
    ``fg_ari``, ``ari``, ``mbo``, ``miou`` (mean over videos) and the same
    under ``image_`` (mean over all frames of all videos), in [0, 1]. A video
    without ``gt_masks`` is not counted; nor is a sample without objects,
    except that with a background channel its ARI counts as 1.

    Args:
        background: What 0 means in the truth: "channel" is annotated
            background (MOVi, DAVIS), "none" is not annotated (YTVIS, OVIS).
        mask_size: Height and width (or both in one) that every mask must
            have; None takes any.
        num_frames: Number of frames that every video must have; None takes
            any.
        subsets: Name -> number of leading videos to report once more under
            ``<name>_``, as ``dict(first210=210)``.
        collect_device: Where results of several processes meet.
        prefix: Put before each name, with a slash.

    Source:
        The rules of martius-lab/slotcontrast:slotcontrast/metrics.py@17b42b05.
    """

    def __init__(
        self,
        background: str = 'channel',
        *,
        mask_size: int | Sequence[int] | None = None,
        num_frames: int | None = None,
        subsets: dict[str, int] | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_choice('background', background, BACKGROUNDS)
        self.background = background
        if isinstance(mask_size, int):
            mask_size = (mask_size, mask_size)
        self.mask_size = None if mask_size is None else tuple(mask_size)
        self.num_frames = num_frames
        self.subsets = dict(subsets or {})

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Reduce each video to a sum and a count for every score."""
        for sample in data_samples:
            masks = masks_of(sample)
            if masks is None:
                self.results.append({})
                continue
            self._check(sample.get('video_id'), tuple(masks[1].shape))
            scores = discovery_scores(*masks, background=self.background)
            self.results.append(
                {
                    name: (
                        values.nansum().item(),
                        int((~values.isnan()).sum()),
                    )
                    for name, values in scores.items()
                }
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Average over the samples that count.

        Raises:
            ValueError: If no video has an object, or a subset is larger than
                the data set.
        """
        metrics = _averages(results, 'the data set')
        for name, size in self.subsets.items():
            if size > len(results):
                raise ValueError(
                    f'subset {name!r} wants the first {size} videos, the '
                    f'data set has {len(results)}'
                )
            part = _averages(results[:size], f'subset {name!r}')
            metrics |= {f'{name}_{key}': part[key] for key in part}
        return metrics

    def _check(self, video: Any, shape: tuple[int, ...]) -> None:
        if self.mask_size not in (None, shape[1:]):
            raise ValueError(
                f'video {video!r}: masks are {shape[1:]}, the protocol says '
                f'mask_size {self.mask_size}'
            )
        if self.num_frames not in (None, shape[0]):
            raise ValueError(
                f'video {video!r}: {shape[0]} frames, the protocol says '
                f'num_frames {self.num_frames}'
            )


def _averages(results: list[dict], where: str) -> dict[str, float]:
    annotated = [r for r in results if r]
    if not any(r['mbo'][1] for r in annotated):
        raise ValueError(
            f'{where} has no object to score: {len(results)} videos, '
            f'{len(annotated)} with gt_masks'
        )
    return {
        name: sum(r[name][0] for r in annotated)
        / sum(r[name][1] for r in annotated)
        for name in annotated[0]
    }
