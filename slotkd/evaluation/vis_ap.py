"""Average precision of video instance segmentation (YTVIS, OVIS)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from slotkd.evaluation.average_precision import (
    MAX_PREDICTIONS,
    Comparison,
    Splits,
    average_precision,
)
from slotkd.evaluation.tracks import (
    JsonFile,
    Track,
    Video,
    check_score,
    field,
    load_json,
    read_track,
    read_videos,
    track_ious,
)
from slotkd.registry import METRICS


def video_average_precision(
    gt: dict | JsonFile,
    predictions: list[dict] | JsonFile,
    *,
    splits: Splits | None = None,
) -> dict[str, float]:
    """Average precision and recall of tracks, as the YTVIS server does.

    Args:
        gt: YTVIS JSON with ``videos``, ``annotations``, ``categories``, or
            its path. ``iscrowd`` tracks are neither hits nor misses.
        predictions: List of ``{video_id, category_id, score, segmentations}``
            or its path; RLE or None per frame.
        splits: Name -> ids of the annotations to be found, for one more
            ``AP_<name>`` each (``so``, ``mo``, ``ho`` of OVIS); tracks of
            other splits are neither hits nor misses.

    Returns:
        ``AP`` over IoU 0.50:0.95, ``AP50``, ``AP75``, ``AR1``, ``AR10``,
        ``AR100``, and ``AP`` and ``AR`` with ``_s``, ``_m``, ``_l`` for small
        (mean area up to 128^2), medium (up to 256^2) and large tracks, in
        [0, 1]; -1 where no true track is of that kind.

    Raises:
        ValueError: If a field is missing, an annotation id is below 1 or
            occurs twice, a video or category is unknown, a score is not
            finite, or masks do not fit the video.

    Source:
        Yang et al., Video Instance Segmentation, ICCV 2019,
        arXiv:1905.04804; the rules of youtubevos/cocoapi@f3f9948.
    """
    truth = VisTruth(gt)
    by_video: dict[Any, list[dict]] = defaultdict(list)
    for index, result in enumerate(load_json(predictions)):
        video = field(result, 'video_id', f'prediction {index}')
        if video not in truth.videos:
            raise ValueError(
                f'prediction {index} names unknown video_id {video!r}'
            )
        by_video[video].append({**result, 'where': f'prediction {index}'})
    comparisons = [
        truth.compare(video, by_video.get(video, []))
        for video in sorted(truth.videos)
    ]
    return average_precision(comparisons, truth.categories, splits=splits)


class VisTruth:
    """The true tracks of a YTVIS file, checked; decoded when needed.

    Args:
        source: The JSON or its path.

    Attributes:
        videos: Id -> :class:`Video`.
        categories: Category ids, ascending.
    """

    def __init__(self, source: dict | JsonFile) -> None:
        truth = load_json(source)
        self.videos = read_videos(truth)
        self.categories = sorted(
            field(category, 'id', 'a category')
            for category in field(truth, 'categories', 'the truth')
        )
        self._annotations: dict[Any, list[dict]] = defaultdict(list)
        seen: set[int] = set()
        for entry in field(truth, 'annotations', 'the truth'):
            name = field(entry, 'id', 'an annotation')
            if not isinstance(name, int) or name < 1:
                raise ValueError(
                    f'annotation id must be an integer from 1, got {name!r}'
                )
            if name in seen:
                raise ValueError(f'annotation id {name} occurs twice')
            seen.add(name)
            where = f'annotation {name}'
            video = field(entry, 'video_id', where)
            if video not in self.videos:
                raise ValueError(f'{where} names unknown video_id {video!r}')
            self._check_category(entry, where)
            self._annotations[video].append(entry)

    def compare(
        self, video_id: Any, results: Iterable[dict]
    ) -> dict[Any, Comparison]:
        """Compare the predictions of a video with its true tracks.

        Args:
            video_id: Id of a video of the file.
            results: ``{category_id, score, segmentations}`` each; ``where``
                names it in errors.

        Returns:
            Category -> comparison, for categories that occur on either side.
        """
        video = self.videos[video_id]
        found: dict[Any, list[dict]] = defaultdict(list)
        for index, result in enumerate(results):
            where = result.get('where', f'prediction {index}')
            where = f'{where} (video {video_id!r})'
            category = self._check_category(result, where)
            score = check_score(field(result, 'score', where), where)
            found[category].append({**result, 'score': score, 'where': where})
        wanted: dict[Any, list[dict]] = defaultdict(list)
        for entry in self._annotations[video_id]:
            where = f'annotation {entry["id"]} (video {video_id!r})'
            wanted[entry['category_id']].append({**entry, 'where': where})
        return {
            category: _compare(found[category], wanted[category], video)
            for category in sorted(found.keys() | wanted.keys())
        }

    def _check_category(self, record: dict, where: str) -> Any:
        category = field(record, 'category_id', where)
        if category not in self.categories:
            raise ValueError(f'{where} names unknown category_id {category!r}')
        return category


def _compare(
    found: list[dict], wanted: list[dict], video: Video
) -> Comparison:
    order = np.argsort([-result['score'] for result in found], kind='stable')
    best = [found[index] for index in order[:MAX_PREDICTIONS]]
    predicted = [_read(result, video) for result in best]
    true = [_read(entry, video, entry.get('areas')) for entry in wanted]
    return Comparison(
        scores=np.array([result['score'] for result in best], float),
        ious=track_ious(predicted, true),
        areas=np.array([track.area for track in predicted], float),
        true_areas=np.array([track.area for track in true], float),
        crowd=np.array([bool(e.get('iscrowd')) for e in wanted], bool),
        ids=tuple(entry['id'] for entry in wanted),
    )


def _read(
    record: dict,
    video: Video,
    areas: Sequence[float | int | None] | None = None,
) -> Track:
    where = record['where']
    segmentations = field(record, 'segmentations', where)
    try:
        return read_track(segmentations, video, areas)
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from error


@METRICS.register_module()
class VideoInstanceMetric(BaseMetric):
    """Video AP of tracks against a YTVIS or OVIS file.

    Reads ``video_id`` and ``pred_tracks`` of each video, a list of
    ``{category_id, score, segmentations}``, and reports the names of
    :func:`video_average_precision`. Videos of the file that are not
    evaluated count as missed.

    Args:
        ann_file: Path of the truth.
        splits: As in :func:`video_average_precision`.
        collect_device: Where results of several processes meet.
        prefix: Put before each name, with a slash.

    Source:
        The rules of youtubevos/cocoapi@f3f9948.
    """

    def __init__(
        self,
        ann_file: str,
        *,
        splits: dict[str, list[int]] | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.truth = VisTruth(ann_file)
        self.splits = splits
        self._ids = {str(name): name for name in self.truth.videos}

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Reduce each video to the overlaps of its tracks."""
        for sample in data_samples:
            name = str(sample.get('video_id'))
            if name not in self._ids:
                raise ValueError(f'video {name!r} is not in the truth')
            tracks = field(sample, 'pred_tracks', f'video {name!r}')
            video = self._ids[name]
            self.results.append((video, self.truth.compare(video, tracks)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Pool the videos by ascending id."""
        found = dict(results)
        comparisons = [
            found[video] if video in found else self.truth.compare(video, [])
            for video in sorted(self.truth.videos)
        ]
        return average_precision(
            comparisons, self.truth.categories, splits=self.splits
        )
