"""Video AP as a metric: of tracks, or of slots that know no classes."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from slotkd.evaluation.average_precision import Splits, average_precision
from slotkd.evaluation.slot_tracks import (
    occlusion_splits,
    slots_as_tracks,
)
from slotkd.evaluation.vis_ap import VisTruth
from slotkd.ops.choices import check_choice
from slotkd.ops.vis_annotations import field
from slotkd.registry import METRICS


@METRICS.register_module()
class VideoInstanceMetric(BaseMetric):
    """Video AP of tracks against a YTVIS or OVIS file.

    Reads ``video_id`` and ``pred_tracks`` of each video, a list of
    ``{category_id, score, segmentations}``, and reports the names of
    :func:`video_average_precision`. Videos of the file that are not
    evaluated count as missed.

    Slot models know no classes: with ``class_agnostic`` all categories are
    one, and where a sample has no ``pred_tracks`` each slot of its
    ``pred_masks`` is a track, scored by :func:`slot_scores` of its
    ``mask_logits`` (``keep_maps=True`` of the model).

    Args:
        ann_file: Path of the truth.
        class_agnostic: Take all categories for one.
        video_range: As in :class:`VisTruth`.
        splits: As in :func:`video_average_precision`; "occlusion" derives
            them by :func:`occlusion_splits`.
        long_videos: Ids of long videos, or the path of a text file with one
            id per line (YTVIS-22). Names with ``short_`` and ``long_`` are
            reported as well, and those without are the mean of the two.
        classwise: Also report ``AP_<name>`` of each category.
        collect_device: Where results of several processes meet.
        prefix: Put before each name, with a slash.

    Source:
        The rules of youtubevos/cocoapi@f3f9948. Slots as tracks: own choice.
    """

    def __init__(
        self,
        ann_file: str,
        *,
        class_agnostic: bool = False,
        video_range: Sequence[int | None] | None = None,
        splits: dict[str, list[int]] | str | None = None,
        long_videos: Sequence[int | str] | str | None = None,
        classwise: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.truth = VisTruth(
            ann_file, class_agnostic=class_agnostic, video_range=video_range
        )
        if isinstance(splits, str):
            check_choice('splits', splits, ('occlusion',))
            self.splits: Splits | None = occlusion_splits(self.truth.tracks)
        else:
            self.splits = splits
        self._ids = {str(name): name for name in self.truth.videos}
        self.long_videos = self._read_ids(long_videos)
        self.classwise = classwise

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Reduce each video to the overlaps of its tracks."""
        for sample in data_samples:
            name = str(sample.get('video_id'))
            if name not in self._ids:
                raise ValueError(f'video {name!r} is not in the truth')
            video = self._ids[name]
            if self.truth.class_agnostic and 'pred_tracks' not in sample:
                tracks = slots_as_tracks(sample, self.truth.videos[video])
            else:
                tracks = field(sample, 'pred_tracks', f'video {name!r}')
            self.results.append((video, self.truth.compare(video, tracks)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Pool the videos by ascending id."""
        found = dict(results)
        if self.long_videos is None:
            return self._pool(found, list(self.truth.videos))
        groups = {
            'short': [
                v for v in self.truth.videos if v not in self.long_videos
            ],
            'long': [v for v in self.truth.videos if v in self.long_videos],
        }
        short, long = (self._pool(found, group) for group in groups.values())
        means = {
            name: (short[name] + long[name]) / 2
            if min(short[name], long[name]) >= 0
            else -1.0
            for name in short
        }
        return {
            **means,
            **{f'short_{name}': value for name, value in short.items()},
            **{f'long_{name}': value for name, value in long.items()},
        }

    def _pool(self, found: dict, videos: list) -> dict[str, float]:
        comparisons = [
            found[video] if video in found else self.truth.compare(video, [])
            for video in videos
        ]
        scores = average_precision(
            comparisons, self.truth.categories, splits=self.splits
        )
        if self.classwise:
            for category, name in self.truth.category_names.items():
                own = average_precision(comparisons, [category])
                scores[f'AP_{name}'] = own['AP']
        return scores

    def _read_ids(
        self, source: Sequence[int | str] | str | None
    ) -> set[Any] | None:
        """Return the ids of long videos; each must be in the truth."""
        if source is None:
            return None
        if isinstance(source, str):
            with open(source, encoding='utf-8') as file:
                source = file.read().split()
        unknown = [name for name in source if str(name) not in self._ids]
        if unknown or not source:
            what = f'unknown video {unknown[0]!r}' if unknown else 'no video'
            raise ValueError(f'long_videos names {what}')
        return {self._ids[str(name)] for name in source}
