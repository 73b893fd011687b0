"""Models: parts, video models, losses and distillers."""

from slotkd.models import (
    backbones,
    distillers,
    losses,
    propagation,
    slots,
    video,
)
from slotkd.models.preprocessor import VideoDataPreprocessor

__all__ = [
    'VideoDataPreprocessor',
    'backbones',
    'distillers',
    'losses',
    'propagation',
    'slots',
    'video',
]
