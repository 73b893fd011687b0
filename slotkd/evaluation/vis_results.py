"""Write predicted tracks as the file that YTVIS and OVIS servers take."""

import json
from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from slotkd.atomic_file import write_atomically
from slotkd.ops.vis_annotations import field
from slotkd.registry import METRICS

KEYS = ('category_id', 'score', 'segmentations')


@METRICS.register_module()
class VideoResultWriter(BaseMetric):
    """Write ``results.json`` of a test for sets whose truth is not public.

    The file is a list of ``{video_id, category_id, score, segmentations}``,
    videos in the order of their ids; servers take it zipped. Reports the
    number of videos and of tracks.

    Args:
        out_file: Where to write.
        collect_device: Where results of several processes meet.
        prefix: Put before each name, with a slash.

    Source:
        The format of youtubevos/cocoapi@f3f9948.
    """

    def __init__(
        self,
        out_file: str,
        *,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not out_file.endswith('.json'):
            raise ValueError(f'out_file must name a .json file: {out_file}')
        self.out_file = out_file

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the tracks of each video."""
        for sample in data_samples:
            video = sample.get('video_id')
            tracks = field(sample, 'pred_tracks', f'video {video!r}')
            self.results.append((video, tracks))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Write the file."""
        entries = [
            {'video_id': video, **{key: track[key] for key in KEYS}}
            for video, tracks in sorted(results, key=lambda r: str(r[0]))
            for track in tracks
        ]
        write_atomically(json.dumps(entries).encode(), self.out_file)
        return {
            'written_videos': float(len(results)),
            'written_tracks': float(len(entries)),
        }
