"""Query-based video instance segmentation; mmdet enters by one module.

:mod:`slotkd.models.queries.mask2former` imports mmdet and is imported by the
``custom_imports`` of configs alone.
"""

from slotkd.models.queries.online_mask2former import OnlineMask2Former
from slotkd.models.queries.tracker import (
    FrameQueries,
    MemoryTracker,
    OnlineTracker,
    TrackState,
)
from slotkd.models.queries.video_result import FrameTracks

__all__ = [
    'FrameQueries',
    'FrameTracks',
    'MemoryTracker',
    'OnlineMask2Former',
    'OnlineTracker',
    'TrackState',
]
