"""Annotated clips in mmdet's samples, drawn in memory."""

import numpy as np
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from torch import Tensor

SIZE = (64, 64)


def sample(
    labels: list[int],
    frames: int = 4,
    *,
    keys: list[int] | None = None,
    absent: tuple[tuple[int, int], ...] = (),
    size: tuple[int, int] = SIZE,
    video_id: int = 1,
) -> TrackDataSample:
    """Return a clip whose objects are squares that move to the right.

    Args:
        labels: Class of each object.
        frames: Frames of the clip.
        keys: The student's frames; None marks none.
        absent: (object, frame) without a mask.
        size: Height and width of the masks.
        video_id: Id of the video.
    """
    samples = []
    for t in range(frames):
        here = [o for o in range(len(labels)) if (o, t) not in absent]
        masks = np.zeros((len(here), *size), np.uint8)
        for row, o in enumerate(here):
            masks[row, 20 * o : 20 * o + 18, 3 * t : 3 * t + 18] = 1
        instances = InstanceData(
            labels=torch.tensor([labels[o] for o in here], dtype=torch.long),
            masks=BitmapMasks(masks, *size),
            instances_ids=torch.tensor(
                [o + 1 for o in here], dtype=torch.long
            ),
        )
        frame = DetDataSample(
            metainfo=dict(
                img_shape=size, ori_shape=size, video_id=video_id, frame_id=t
            )
        )
        frame.gt_instances = instances
        samples.append(frame)
    clip = TrackDataSample()
    clip.video_data_samples = samples
    if keys is not None:
        clip.set_metainfo(dict(key_frames_inds=keys))
    return clip


def pixels(samples: list[TrackDataSample]) -> Tensor:
    """Return normalised frames in which each class has its brightness."""
    clips = []
    for clip in samples:
        frames = []
        for t in range(len(clip)):
            instances = clip[t].gt_instances
            image = torch.zeros(3, *SIZE)
            for label, mask in zip(
                instances.labels.tolist(), instances.masks.masks, strict=True
            ):
                inside = torch.from_numpy(mask.astype(bool))
                height, width = inside.shape
                image[label % 3, :height, :width][inside] = 1.0
            frames.append(image)
        clips.append(torch.stack(frames))
    return torch.stack(clips)
