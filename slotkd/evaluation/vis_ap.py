"""Average precision of video instance segmentation (YTVIS, OVIS)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from slotkd.evaluation.average_precision import (
    MAX_PREDICTIONS,
    Comparison,
    Splits,
    average_precision,
)
from slotkd.evaluation.tracks import (
    Track,
    check_score,
    read_track,
    track_ious,
)
from slotkd.ops.vis_annotations import (
    JsonFile,
    VisTrack,
    VisVideo,
    field,
    load_json,
    pick_videos,
    read_annotations,
)


def video_average_precision(
    gt: dict | JsonFile,
    predictions: list[dict] | JsonFile,
    *,
    splits: Splits | None = None,
    class_agnostic: bool = False,
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
        class_agnostic: Take all categories for one.

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
    truth = VisTruth(gt, class_agnostic=class_agnostic)
    by_video: dict[Any, list[dict]] = defaultdict(list)
    for index, result in enumerate(load_json(predictions)):
        video = field(result, 'video_id', f'prediction {index}')
        if video not in truth.videos:
            raise ValueError(
                f'prediction {index} names unknown video_id {video!r}'
            )
        by_video[video].append({**result, 'where': f'prediction {index}'})
    comparisons = [
        truth.compare(video, by_video.get(video, [])) for video in truth.videos
    ]
    return average_precision(comparisons, truth.categories, splits=splits)


class VisTruth:
    """The true tracks of a YTVIS file, checked; decoded when needed.

    Args:
        source: The JSON or its path.
        class_agnostic: Take all categories for one, with id 0; predictions
            then need none.
        video_range: Start and stop of the videos to score, in the order of
            their ids, as in a slice: ``(-300, None)`` are the last 300.

    Attributes:
        videos: Id -> :class:`VisVideo`, ids ascending.
        categories: Category ids, ascending.
        category_names: Id -> name of each.
    """

    def __init__(
        self,
        source: dict | JsonFile,
        *,
        class_agnostic: bool = False,
        video_range: Sequence[int | None] | None = None,
    ) -> None:
        truth = read_annotations(source)
        names = pick_videos(list(truth.videos), video_range)
        self.videos = {name: truth.videos[name] for name in names}
        self.category_names = (
            {0: 'any'} if class_agnostic else truth.categories
        )
        self.categories = list(self.category_names)
        self.class_agnostic = class_agnostic
        self.tracks = truth.tracks

    def compare(
        self, video_id: Any, results: Iterable[dict]
    ) -> dict[Any, Comparison]:
        """Compare the predictions of a video with its true tracks.

        Args:
            video_id: Id of a video of the file.
            results: ``{category_id, score, segmentations}`` each, or with a
                ready ``track``; ``where`` names it in errors.

        Returns:
            Category -> comparison, for categories that occur on either side.
        """
        video = self.videos[video_id]
        found: dict[Any, list[dict]] = defaultdict(list)
        for index, result in enumerate(results):
            where = result.get('where', f'prediction {index}')
            where = f'{where} (video {video_id!r})'
            category = self._category(result, where)
            score = check_score(field(result, 'score', where), where)
            found[category].append({**result, 'score': score, 'where': where})
        wanted: dict[Any, list[VisTrack]] = defaultdict(list)
        for track in self.tracks[video_id]:
            category = 0 if self.class_agnostic else track.category_id
            wanted[category].append(track)
        return {
            category: _compare(found[category], wanted[category], video)
            for category in sorted(found.keys() | wanted.keys())
        }

    def _category(self, record: dict, where: str) -> Any:
        if self.class_agnostic:
            return 0
        category = field(record, 'category_id', where)
        if category not in self.categories:
            raise ValueError(f'{where} names unknown category_id {category!r}')
        return category


def _compare(
    found: list[dict], wanted: list[VisTrack], video: VisVideo
) -> Comparison:
    order = np.argsort([-result['score'] for result in found], kind='stable')
    best = [found[index] for index in order[:MAX_PREDICTIONS]]
    predicted = [
        r['track']
        if 'track' in r
        else _decode(field(r, 'segmentations', r['where']), video, r['where'])
        for r in best
    ]
    true = [
        _decode(
            track.segmentations,
            video,
            f'annotation {track.id} (video {video.id!r})',
            track.areas,
        )
        for track in wanted
    ]
    return Comparison(
        scores=np.array([result['score'] for result in best], float),
        ious=track_ious(predicted, true),
        areas=np.array([track.area for track in predicted], float),
        true_areas=np.array([track.area for track in true], float),
        crowd=np.array([track.is_crowd for track in wanted], bool),
        ids=tuple(track.id for track in wanted),
    )


def _decode(
    segmentations: Sequence[Any],
    video: VisVideo,
    where: str,
    areas: Sequence[float | int | None] | None = None,
) -> Track:
    try:
        return read_track(segmentations, video, areas)
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from error
