"""Data sets, transforms and the geometry between disk and network."""

from slotkd.datasets.clip_frame_sample import ClipFrameSample
from slotkd.datasets.clip_sampling import block_starts
from slotkd.datasets.coco_images import CocoImageDataset
from slotkd.datasets.frame_clips import FrameClipDataset
from slotkd.datasets.frame_files import list_images, read_frame, read_mask
from slotkd.datasets.geometry import FrameGeometry
from slotkd.datasets.minor_paste import MinorPaste
from slotkd.datasets.movi_tfds import MoviTfdsDataset
from slotkd.datasets.moving_shapes import MovingShapes
from slotkd.datasets.moving_textured_shapes import MovingTexturedShapes
from slotkd.datasets.random_scale import RandomScaleVideo
from slotkd.datasets.shape_scene import ShapeScene, draw_moving_shapes
from slotkd.datasets.shape_segmentation import ShapeSegDataset
from slotkd.datasets.spatial_transforms import (
    CenterCropVideo,
    RandomCropVideo,
    RandomFlipVideo,
    ResizeVideo,
)
from slotkd.datasets.textured_scene import (
    TexturedScene,
    draw_textured_shapes,
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
from slotkd.datasets.video_tars import VideoTarDataset
from slotkd.datasets.vis_clips import VisClips
from slotkd.datasets.vos_clips import VosClipDataset
from slotkd.datasets.warp_clip import WarpToClip
from slotkd.datasets.ytvis import YTVISDataset

__all__ = [
    'CenterCropVideo',
    'ClipFrameSample',
    'CocoImageDataset',
    'FrameClipDataset',
    'FrameGeometry',
    'MinorPaste',
    'MoviTfdsDataset',
    'MovingShapes',
    'MovingTexturedShapes',
    'PackVideoInputs',
    'RandomCropVideo',
    'RandomFlipVideo',
    'RandomScaleVideo',
    'ResizeVideo',
    'ShapeScene',
    'ShapeSegDataset',
    'TexturedScene',
    'VideoArrayDataset',
    'VideoDataset',
    'VideoFolderDataset',
    'VideoTarDataset',
    'VisClips',
    'VosClipDataset',
    'WarpToClip',
    'YTVISDataset',
    'block_starts',
    'build_transforms',
    'draw_moving_shapes',
    'draw_textured_shapes',
    'frame_times',
    'iterate_video',
    'list_images',
    'read_frame',
    'read_mask',
    'read_video_frames',
    'video_rate',
]
