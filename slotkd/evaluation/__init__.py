"""Scores of predicted masks: object discovery, DAVIS J and F, video AP."""

from slotkd.evaluation.agreement import (
    SSyncDiagnostics,
    fragment_count,
    leakage,
    map_agreement,
)
from slotkd.evaluation.association_metric import QueryAssociationMetric
from slotkd.evaluation.davis import DavisMetric, davis_scores
from slotkd.evaluation.j_and_f import boundary_accuracy, region_similarity
from slotkd.evaluation.object_discovery import (
    ObjectDiscoveryMetric,
    adjusted_rand_index,
    discovery_scores,
    hungarian_miou,
    mean_best_overlap,
)
from slotkd.evaluation.slot_j_and_f import SlotJFMetric, slot_jf
from slotkd.evaluation.vis_ap import video_average_precision
from slotkd.evaluation.vis_metric import VideoInstanceMetric
from slotkd.evaluation.vis_results import VideoResultWriter
from slotkd.evaluation.youtube_vos import YouTubeVosMetric

__all__ = [
    'DavisMetric',
    'ObjectDiscoveryMetric',
    'QueryAssociationMetric',
    'SSyncDiagnostics',
    'SlotJFMetric',
    'VideoInstanceMetric',
    'VideoResultWriter',
    'YouTubeVosMetric',
    'adjusted_rand_index',
    'boundary_accuracy',
    'davis_scores',
    'discovery_scores',
    'fragment_count',
    'hungarian_miou',
    'leakage',
    'map_agreement',
    'mean_best_overlap',
    'region_similarity',
    'slot_jf',
    'video_average_precision',
]
