"""Scores of predicted masks: object discovery, DAVIS J and F, video AP."""

from slotkd.evaluation.object_discovery import (
    ObjectDiscoveryMetric,
    adjusted_rand_index,
    discovery_scores,
    hungarian_miou,
    mean_best_overlap,
)

__all__ = [
    'ObjectDiscoveryMetric',
    'adjusted_rand_index',
    'discovery_scores',
    'hungarian_miou',
    'mean_best_overlap',
]
