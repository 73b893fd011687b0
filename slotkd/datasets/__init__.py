"""Data sets, transforms and the geometry between disk and network."""

from slotkd.datasets.clip_sampling import block_starts
from slotkd.datasets.frame_clips import FrameClipDataset
from slotkd.datasets.frame_files import list_images, read_frame, read_mask
from slotkd.datasets.geometry import FrameGeometry
from slotkd.datasets.moving_shapes import MovingShapes
from slotkd.datasets.shape_scene import ShapeScene, draw_moving_shapes
from slotkd.datasets.spatial_transforms import (
    CenterCropVideo,
    RandomCropVideo,
    RandomFlipVideo,
    ResizeVideo,
)
from slotkd.datasets.transforms import PackVideoInputs, build_transforms
from slotkd.datasets.video_arrays import VideoArrayDataset
from slotkd.datasets.video_dataset import VideoDataset
from slotkd.datasets.video_files import (
    frame_times,
    iterate_video,
    read_video_frames,
    video_rate,
)
from slotkd.datasets.video_folders import VideoFolderDataset

__all__ = [
    'CenterCropVideo',
    'FrameClipDataset',
    'FrameGeometry',
    'MovingShapes',
    'PackVideoInputs',
    'RandomCropVideo',
    'RandomFlipVideo',
    'ResizeVideo',
    'ShapeScene',
    'VideoArrayDataset',
    'VideoDataset',
    'VideoFolderDataset',
    'block_starts',
    'build_transforms',
    'draw_moving_shapes',
    'frame_times',
    'iterate_video',
    'list_images',
    'read_frame',
    'read_mask',
    'read_video_frames',
    'video_rate',
]
