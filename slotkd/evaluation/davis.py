"""The DAVIS protocols: which frames, which objects, which proposals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from mmengine.evaluator import BaseMetric
from torch import Tensor

from slotkd.evaluation.j_and_f import (
    TOLERANCE,
    Statistics,
    frame_scores,
    sequence_statistics,
)
from slotkd.evaluation.label_volumes import VOID, Volume, as_integers, masks_of
from slotkd.ops.choices import check_choice
from slotkd.ops.matching import hungarian_match
from slotkd.registry import METRICS

PROTOCOLS = ('semi-supervised', 'unsupervised', 'davis2016')

Scores = Float[np.ndarray, 'O T']


def davis_scores(
    pred: Volume,
    true: Volume,
    *,
    protocol: str = 'unsupervised',
    tolerance: float | int = TOLERANCE,
    pred_background: int | None = None,
    max_proposals: int = 20,
) -> tuple[Scores, Scores]:
    """J and F of every object in every evaluated frame of a video.

    The objects are 1 to the largest label of the first true frame, void 255
    apart.

    * ``semi-supervised``: labels of the prediction are object ids, 0 is
      none. First and last frame are left out. Void counts as background.
    * ``unsupervised``: every label of the prediction is a proposal; each
      object gets at most one, so that the mean of J and F over all frames is
      best. Void is taken out of truth and prediction.
    * ``davis2016``: everything above 0, 255 included, is one object in truth
      and prediction. First and last frame are left out.

    Args:
        pred: Label of each pixel (T, H, W).
        true: Object of each pixel (T, H, W); 0 background, 255 void.
        protocol: One of the three above.
        tolerance: As in :func:`boundary_accuracy`.
        pred_background: Label that is no proposal: 0 for masks read from
            result files, None for slot indices. ``unsupervised`` only.
        max_proposals: Largest number of proposals. ``unsupervised`` only.

    Returns:
        J and F, objects by evaluated frames. An object without prediction
        has the scores of an empty mask.

    Raises:
        ValueError: If the shapes differ or are not (T, H, W), no frame is
            left to evaluate, a predicted id is larger than the number of
            objects, or there are too many proposals.
        TypeError: If a volume does not hold integers.

    Source:
        Pont-Tuset et al., DAVIS 2017, arXiv:1704.00675; Caelles et al.,
        DAVIS 2019, arXiv:1905.00737; the rules of
        davisvideochallenge/davis2017-evaluation@ac7c43f.
    """
    check_choice('protocol', protocol, PROTOCOLS)
    seen = as_integers(pred, 'pred').cpu().numpy()
    truth = as_integers(true, 'true').cpu().numpy()
    if seen.shape != truth.shape or truth.ndim != 3 or truth.size == 0:
        raise ValueError(
            f'pred has shape {seen.shape} and true {truth.shape}; both must '
            f'be the same (T, H, W)'
        )
    if protocol == 'unsupervised':
        proposals = _proposals(seen, pred_background, max_proposals)
        return _unsupervised(seen, truth, proposals, tolerance)
    if len(truth) < 3:
        raise ValueError(
            f'{protocol} leaves out the first and the last frame, the video '
            f'has {len(truth)}'
        )
    if protocol == 'davis2016':
        seen, truth = (seen > 0).astype(int), (truth > 0).astype(int)
        objects = np.ones(1, int)
    else:
        objects = _objects(truth)
    if seen.max() > len(objects):
        raise ValueError(
            f'pred holds label {seen.max()}, the first true frame has '
            f'{len(objects)} objects'
        )
    return same_id_scores(seen[1:-1], truth[1:-1], objects, tolerance)


def _objects(true: Integer[np.ndarray, 'T H W']) -> Int[np.ndarray, ' O']:
    first = true[0]
    return np.arange(1, first[first != VOID].max(initial=0) + 1)


def _proposals(
    pred: Integer[np.ndarray, 'T H W'], background: int | None, limit: int
) -> Int[np.ndarray, ' K']:
    labels = np.array(
        [label for label in np.unique(pred) if label != background], int
    )
    if len(labels) > limit:
        raise ValueError(
            f'pred holds {len(labels)} proposals, the protocol takes at most '
            f'{limit}'
        )
    return labels


def same_id_scores(
    pred: Integer[np.ndarray, 'T H W'],
    true: Integer[np.ndarray, 'T H W'],
    objects: Int[np.ndarray, ' O'],
    tolerance: float | int,
) -> tuple[Scores, Scores]:
    """J and F of each listed object with the prediction of the same id.

    Args:
        pred: Object id of each pixel; other labels are no prediction.
        true: Object id of each pixel; other labels are background.
        objects: Ids, ascending.
        tolerance: As in :func:`boundary_accuracy`.
    """
    j, f = _all_pairs(pred, true, objects, objects, tolerance)
    return j.diagonal(0, 1, 2).T, f.diagonal(0, 1, 2).T


def _unsupervised(
    pred: Integer[np.ndarray, 'T H W'],
    true: Integer[np.ndarray, 'T H W'],
    proposals: Int[np.ndarray, ' K'],
    tolerance: float | int,
) -> tuple[Scores, Scores]:
    objects = _objects(true)
    void = true == VOID
    # An index of no proposal stands for an empty mask: enough of them that
    # every object gets one.
    empty = max(len(objects) - len(proposals), 0)
    j, f = _all_pairs(
        pred, true, proposals, objects, tolerance, void=void, empty=empty
    )
    quality = torch.from_numpy((j + f).mean(0) / 2)[None]
    chosen = hungarian_match(quality)[0].numpy()
    index = np.arange(len(objects))
    return j[:, index, chosen].T, f[:, index, chosen].T


def _all_pairs(
    pred: Integer[np.ndarray, 'T H W'],
    true: Integer[np.ndarray, 'T H W'],
    pred_labels: Int[np.ndarray, ' K'],
    true_labels: Int[np.ndarray, ' O'],
    tolerance: float | int,
    *,
    void: Bool[np.ndarray, 'T H W'] | None = None,
    empty: int = 0,
) -> tuple[Float[np.ndarray, 'T O J'], Float[np.ndarray, 'T O J']]:
    """Score every object with every prediction, and with empty masks."""
    counts = len(pred_labels) + empty, len(true_labels)
    scores = []
    for t in range(len(true)):
        seen = _index(pred[t], pred_labels, counts[0])
        truth = _index(true[t], true_labels, counts[1])
        if void is not None:
            seen[void[t]], truth[void[t]] = counts
        scores.append(frame_scores(seen, truth, *counts, tolerance))
    return np.stack([j for j, _ in scores]), np.stack([f for _, f in scores])


def _index(
    frame: Integer[np.ndarray, 'H W'],
    labels: Int[np.ndarray, ' K'],
    missing: int,
) -> Int[np.ndarray, 'H W']:
    """Replace sorted labels by their position and others by ``missing``."""
    if len(labels) == 0:
        return np.full(frame.shape, missing)
    position = np.searchsorted(labels, frame).clip(max=len(labels) - 1)
    return np.where(labels[position] == frame, position, missing)


@METRICS.register_module()
class DavisMetric(BaseMetric):
    """DAVIS J and F: mean, recall and decay, every object with equal weight.

    Reads ``pred_masks`` and ``gt_masks`` of each video and reports
    ``jf_mean``, ``j_mean``, ``j_recall``, ``j_decay``, ``f_mean``,
    ``f_recall`` and ``f_decay`` in [0, 1]. A video without ``gt_masks`` is
    not counted.

    Args:
        protocol: "unsupervised" takes slots as proposals;
            "semi-supervised" and "davis2016" take labels as object ids, see
            :func:`davis_scores`.
        tolerance: As in :func:`boundary_accuracy`.
        pred_background: Label that is no proposal; None takes every slot.
        max_proposals: Largest number of slots in the unsupervised protocol.
        collect_device: Where results of several processes meet.
        prefix: Put before each name, with a slash.

    Source:
        The rules of davisvideochallenge/davis2017-evaluation@ac7c43f.
    """

    def __init__(
        self,
        protocol: str = 'unsupervised',
        *,
        tolerance: float | int = TOLERANCE,
        pred_background: int | None = None,
        max_proposals: int = 20,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_choice('protocol', protocol, PROTOCOLS)
        self.protocol = protocol
        self.tolerance = tolerance
        self.pred_background = pred_background
        self.max_proposals = max_proposals

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Reduce each video to the statistics of its objects."""
        for sample in data_samples:
            masks = masks_of(sample)
            try:
                scores = None if masks is None else self._score(*masks)
            except ValueError as error:
                raise ValueError(
                    f'video {sample.get("video_id")!r}: {error}'
                ) from error
            self.results.append(_statistics(*scores) if scores else [])

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over the objects of all videos.

        Raises:
            ValueError: If no video has an object.
        """
        objects = [entry for video in results for entry in video]
        if not objects:
            raise ValueError(
                f'no object to score in {len(results)} videos: gt_masks is '
                f'missing or has no label in the first frame'
            )
        means = np.mean(objects, axis=0)  # object, J or F, field
        scores = {
            f'{measure}_{field}': float(means[row, column])
            for row, measure in enumerate('jf')
            for column, field in enumerate(Statistics._fields)
        }
        return {'jf_mean': float(means[:, 0].mean()), **scores}

    def _score(self, pred: Tensor, true: Tensor) -> tuple[Scores, Scores]:
        return davis_scores(
            pred,
            true,
            protocol=self.protocol,
            tolerance=self.tolerance,
            pred_background=self.pred_background,
            max_proposals=self.max_proposals,
        )


def _statistics(j: Scores, f: Scores) -> list[list[Statistics]]:
    """Reduce each object to its statistics of J and of F."""
    return [
        [sequence_statistics(values) for values in rows]
        for rows in zip(j, f, strict=True)
    ]
