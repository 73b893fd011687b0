"""Whether a tracker keeps identities, and whether embeddings tell them."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from slotkd.ops.track_association import COUNTS
from slotkd.ops.vis_annotations import field
from slotkd.registry import METRICS


@METRICS.register_module()
class QueryAssociationMetric(BaseMetric):
    """Pool what query models say about the association in annotated videos.

    Reads ``association`` of each video, the numbers of
    :func:`slotkd.ops.track_association.association_counts`, and reports
    ``association``: the share of links between two successive sightings of
    an object that keep its identity; ``association_gap``: the same over
    frames in which it is not seen; ``same_cosine`` and
    ``different_cosine``: mean cosine between embeddings of one and of two
    objects in two frames, and ``cosine_gap``, their difference. Without a
    single case a number is -1.

    Args:
        collect_device: Where results of several processes meet.
        prefix: Put before each name, with a slash.

    Source:
        Own design.
    """

    def __init__(
        self, *, collect_device: str = 'cpu', prefix: str | None = None
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the numbers of each video."""
        for sample in data_samples:
            name = f'video {sample.get("video_id")!r}'
            self.results.append(dict(field(sample, 'association', name)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Add up the videos."""
        total = {key: sum(r[key] for r in results) for key in COUNTS}
        same = _share(total['same_cosine'], total['same_pairs'])
        other = _share(total['different_cosine'], total['different_pairs'])
        return {
            'association': _share(total['kept'], total['links']),
            'association_gap': _share(total['kept_after_gap'], total['gaps']),
            'same_cosine': same,
            'different_cosine': other,
            'cosine_gap': same - other if total['different_pairs'] else -1.0,
        }


def _share(part: float | int, whole: float | int) -> float:
    return part / whole if whole else -1.0
