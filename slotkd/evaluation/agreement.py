"""How encoder and decoder agree, and how whole and how tight slots are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from mmengine.evaluator import BaseMetric
from scipy import ndimage
from torch import Tensor

from slotkd.evaluation.label_volumes import VOID, Volume, joint_counts
from slotkd.evaluation.object_discovery import (
    adjusted_rand_index,
    mean_best_overlap,
)
from slotkd.ops.masks import hard_labels, hard_masks
from slotkd.ops.slot_merging import slot_overlap
from slotkd.registry import METRICS, MODELS

NEIGHBOURHOODS = {
    4: ndimage.generate_binary_structure(2, 1),
    8: ndimage.generate_binary_structure(2, 2),
}
COVERAGES = (0.75, 0.9)


def map_agreement(
    attn_labels: Volume, mask_labels: Volume
) -> dict[str, float]:
    """Compare the labels of encoder and decoder over a clip.

    Args:
        attn_labels: Slot of each token in the encoder, (T, h, w).
        mask_labels: Slot of each token in the decoder.

    Returns:
        ``ari``, symmetric; ``mbo_attn`` and ``mbo_masks``, the mean best
        overlap with the encoder's, or the decoder's, labels as the truth.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527, agreement table.
    """
    return dict(
        ari=adjusted_rand_index(
            mask_labels, attn_labels, ignore_background=False
        ),
        mbo_attn=mean_best_overlap(
            mask_labels, attn_labels, ignore_background=False
        ),
        mbo_masks=mean_best_overlap(
            attn_labels, mask_labels, ignore_background=False
        ),
    )


def fragment_count(labels: Volume, connectivity: int = 8) -> float:
    """Count the connected regions of equal label, mean over frames (FCC).

    Args:
        labels: Label of each pixel, (T, H, W); 255 is void and not counted,
            0 is a label like any other.
        connectivity: 8 joins pixels across corners, 4 does not.

    Returns:
        1 where each frame is of one label; the number of labels where each
        is in one piece.

    Raises:
        ValueError: If ``connectivity`` is neither 4 nor 8.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527, fragment count FCC.
    """
    if connectivity not in NEIGHBOURHOODS:
        raise ValueError(f'connectivity must be 4 or 8, got {connectivity}')
    structure = NEIGHBOURHOODS[connectivity]
    count = 0
    volume = np.asarray(labels, dtype=np.int64)
    for frame in volume:
        # find_objects gives the box of each label, which it wants from 1 on
        for label, box in enumerate(ndimage.find_objects(frame + 1)):
            if box is not None and label != VOID:
                count += ndimage.label(frame[box] == label, structure)[1]
    return count / len(volume)


def leakage(
    pred: Volume, true: Volume, coverage: float = 0.75
) -> Float[Tensor, ' P']:
    """Return how far the slots that hold an object reach beyond it.

    For each true object the slot of highest IoU; where that slot covers at
    least ``coverage`` of the object, its pixels outside the object.

    Args:
        pred: Slot of each pixel, (T, H, W).
        true: Instance of each pixel; 0 background, 255 void (not counted).
        coverage: Share of the object, in [0, 1].

    Returns:
        Thousands of pixels for each such pair of object and slot.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527, leakage75 and leakage90.
        Differs: the slot of an object is the one of highest IoU (the paper
        does not say).
    """
    counts, labels = joint_counts(pred, true)
    table = counts.sum(dim=0)
    inside = table[labels > 0]
    inside = inside[inside.sum(dim=1) > 0]
    area, size = inside.sum(dim=1, keepdim=True), table.sum(dim=0)
    best = (inside / (area + size - inside)).argmax(dim=1, keepdim=True)
    covered = inside.gather(1, best)
    outside = size[best] - covered
    return outside[covered >= coverage * area] / 1000


@METRICS.register_module()
class SSyncDiagnostics(BaseMetric):
    """What encoder and decoder of a slot model teach each other, and how.

    Reads ``attn_logits``, ``mask_logits`` and ``grid`` of each video, which
    a model with ``keep_maps=True`` predicts. Reports, as means over videos:

    - ``agreement_ari``, ``agreement_mbo_attn``, ``agreement_mbo_masks``, see
      :func:`map_agreement`, on the token grid;
    - the scalars of :class:`~slotkd.models.losses.SSyncResult`'s ``stats``
      over the whole video, and ``top_iou_prob``, the largest overlap of two
      slots where probabilities are thresholded instead of logits;
    - for videos with ``gt_masks``, at their size: ``fcc4_`` and ``fcc8_`` of
      ``attn``, ``masks`` and ``truth`` (:func:`fragment_count`), and
      ``leakage75_``, ``leakage90_`` of ``attn`` and ``masks``, the mean over
      all pairs of the data set, with the number of pairs under
      ``..._pairs`` (:func:`leakage`).

    Args:
        ssync: Config of the loss ``SSyncLoss`` with the options in use.
        collect_device: Where results of several processes meet.
        prefix: Put before each name, with a slash.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527, diagnostics.
    """

    def __init__(
        self,
        ssync: dict,
        *,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ssync = MODELS.build(ssync)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Reduce each video to lists of numbers."""
        for sample in data_samples:
            self.results.append(self._scores(sample))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Average over videos, and leakage over pairs."""
        names = dict.fromkeys(name for result in results for name in result)
        metrics: dict[str, float] = {}
        for name in names:
            values = [v for r in results for v in r.get(name, ())]
            metrics[name] = float(np.mean(values)) if values else float('nan')
            if name.startswith('leakage'):
                metrics[f'{name}_pairs'] = len(values)
        return metrics

    def _scores(self, sample: dict) -> dict[str, list[float]]:
        logits = [self._maps(sample, f'{n}_logits') for n in ('attn', 'mask')]
        grid = tuple(sample['grid'])
        labels = [hard_labels(x).unflatten(2, grid)[0] for x in logits]
        result = self.ssync.loss(*logits, grid)
        by_probs = slot_overlap(logits[0], act_source='enc_prob')
        scores = {
            f'agreement_{k}': v for k, v in map_agreement(*labels).items()
        }
        scores |= {k: float(v) for k, v in result.stats.items()}
        scores['top_iou_prob'] = float(by_probs.triu(diagonal=1).amax())
        lists = {name: [value] for name, value in scores.items()}
        if sample.get('gt_masks') is not None:
            lists |= _shape_scores(logits, grid, sample['gt_masks'].cpu())
        return lists

    @staticmethod
    def _maps(sample: dict, name: str) -> Tensor:
        if sample.get(name) is None:
            raise ValueError(
                f'video {sample.get("video_id")!r} has no {name}; '
                'SSyncDiagnostics needs a model with keep_maps=True'
            )
        return sample[name].cpu()[None]


def _shape_scores(
    logits: list[Tensor], grid: tuple[int, int], truth: Tensor
) -> dict[str, list[float]]:
    """Fragments and leakage of both maps at the size of the truth."""
    height, width = truth.shape[1:]
    volumes = {'truth': truth}
    for name, maps in zip(('attn', 'masks'), logits, strict=True):
        probs = maps[0].float().softmax(dim=1)
        volumes[name] = hard_masks(probs, grid, (height, width))
    scores = {
        f'fcc{connectivity}_{name}': [fragment_count(volume, connectivity)]
        for connectivity in NEIGHBOURHOODS
        for name, volume in volumes.items()
    }
    for coverage in COVERAGES:
        for name in ('attn', 'masks'):
            pairs = leakage(volumes[name], truth, coverage)
            percent = round(100 * coverage)
            scores[f'leakage{percent}_{name}'] = pairs.tolist()
    return scores
