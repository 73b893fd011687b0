"""YouTube-VOS: J and F on seen and unseen categories, and their mean G."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from slotkd.evaluation.davis import same_id_scores
from slotkd.evaluation.j_and_f import TOLERANCE
from slotkd.evaluation.label_volumes import (
    VOID,
    Volume,
    as_integers,
    masks_of,
)
from slotkd.registry import METRICS

Entry = tuple[str, float, float]


def youtube_vos_scores(
    pred: Volume,
    true: Volume,
    *,
    frames: Mapping[int, Sequence[int]] | None = None,
    tolerance: float | int = TOLERANCE,
) -> dict[int, tuple[float, float]]:
    """Mean J and F of each object over the frames after its first.

    Args:
        pred: Object id of each pixel (T, H, W) of the annotated frames.
        true: True id of each pixel (T, H, W); 0 background, 255 void, which
            counts as background.
        frames: Ascending frame numbers, 0 to T - 1, in which an object is
            listed; only these are scored. None lists every frame from the
            first that shows the object.
        tolerance: As in :func:`boundary_accuracy`.

    Returns:
        Object id -> (J, F). An object without a second frame is left out.

    Raises:
        ValueError: If the shapes differ or are not (T, H, W), a predicted id
            is not in the truth, or a listed frame is beyond the video.
        TypeError: If a volume does not hold integers.

    Source:
        Xu et al., YouTube-VOS, arXiv:1809.03327, Sec. 4.
    """
    seen = as_integers(pred, 'pred').cpu().numpy()
    truth = as_integers(true, 'true').cpu().numpy()
    if seen.shape != truth.shape or truth.ndim != 3:
        raise ValueError(
            f'pred has shape {seen.shape} and true {truth.shape}; both must '
            f'be the same (T, H, W)'
        )
    if frames is None:
        frames = _frames_from_first(truth)
    objects = np.array(sorted(frames), int)
    unknown = np.setdiff1d(seen, [0, *objects])
    if len(unknown):
        raise ValueError(
            f'pred holds label {unknown[0]}, the objects are '
            f'{objects.tolist()}'
        )
    j, f = same_id_scores(seen, truth, objects, tolerance)
    scores = {}
    for row, label in enumerate(objects.tolist()):
        later = list(frames[label])[1:]
        if later and max(later) >= len(truth):
            raise ValueError(
                f'object {label} is listed in frame {max(later)}, the video '
                f'has {len(truth)}'
            )
        if later:
            scores[label] = j[row, later].mean(), f[row, later].mean()
    return scores


def youtube_vos_summary(
    entries: Iterable[Entry], unseen: Iterable[str]
) -> dict[str, float]:
    """Average over the objects of seen and of unseen categories.

    Args:
        entries: Category, J and F of each object.
        unseen: Categories that training did not show.

    Returns:
        ``j_seen``, ``f_seen``, ``j_unseen``, ``f_unseen`` and their mean
        ``g``.

    Raises:
        ValueError: If either group has no object.
    """
    held_out = set(unseen)
    groups: dict[str, list[Entry]] = {'seen': [], 'unseen': []}
    for entry in entries:
        groups['unseen' if entry[0] in held_out else 'seen'].append(entry)
    scores = {}
    for name, group in groups.items():
        if not group:
            raise ValueError(
                f'no object of a category {name} in training; unseen are '
                f'{sorted(held_out)}'
            )
        scores[f'j_{name}'] = sum(j for _, j, _ in group) / len(group)
        scores[f'f_{name}'] = sum(f for _, _, f in group) / len(group)
    return {**scores, 'g': sum(scores.values()) / 4}


def _frames_from_first(true: np.ndarray) -> dict[int, range]:
    first: dict[int, int] = {}
    for t, frame in enumerate(true):
        for label in np.unique(frame):
            first.setdefault(int(label), t)
    return {
        label: range(t, len(true))
        for label, t in first.items()
        if label not in (0, VOID)
    }


@METRICS.register_module()
class YouTubeVosMetric(BaseMetric):
    """YouTube-VOS G on videos whose truth is at hand.

    The official validation truth is not public; held-out training videos
    with a chosen list of unseen categories stand in for it, hence the prefix.
    Reads ``pred_masks`` and ``gt_masks`` (object ids), the metainfo
    ``object_categories`` (id -> name) and, if present, ``object_frames`` (id
    -> frames in which it is listed). Reports ``g``, ``j_seen``, ``f_seen``,
    ``j_unseen`` and ``f_unseen`` in [0, 1].

    Args:
        unseen: Categories that training did not show.
        tolerance: As in :func:`boundary_accuracy`.
        collect_device: Where results of several processes meet.
        prefix: Put before each name, with a slash; None is "proxy".

    Source:
        Xu et al., YouTube-VOS, arXiv:1809.03327, Sec. 4.
    """

    default_prefix = 'proxy'

    def __init__(
        self,
        unseen: Sequence[str],
        *,
        tolerance: float | int = TOLERANCE,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.unseen = tuple(unseen)
        self.tolerance = tolerance

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Reduce each video to category, J and F of its objects."""
        for sample in data_samples:
            masks = masks_of(sample)
            try:
                entries = [] if masks is None else self._score(sample, masks)
            except ValueError as error:
                raise ValueError(
                    f'video {sample.get("video_id")!r}: {error}'
                ) from error
            self.results.append(entries)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over the objects of all videos."""
        return youtube_vos_summary(
            (entry for video in results for entry in video), self.unseen
        )

    def _score(self, sample: dict, masks: tuple) -> list[Entry]:
        scores = youtube_vos_scores(
            *masks,
            frames=sample.get('object_frames'),
            tolerance=self.tolerance,
        )
        categories = sample.get('object_categories', {})
        missing = sorted(scores.keys() - categories.keys())
        if missing:
            raise ValueError(
                f'object_categories has no entry for object {missing[0]}'
            )
        return [
            (categories[label], float(j), float(f))
            for label, (j, f) in scores.items()
        ]
