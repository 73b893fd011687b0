"""YTVIS tracks as COCO annotations of single frames, which mmdet reads."""

from typing import Any

import numpy as np

from slotkd.ops.rle import decode_mask
from slotkd.ops.vis_annotations import VisAnnotations, VisTrack, VisVideo


def vis_as_frames(truth: VisAnnotations) -> dict[str, Any]:
    """Return one image for each frame, one annotation for each mask in it.

    Absent and empty masks are left out. Annotations keep the identity of
    their track as ``instance_id``; categories are in the order of ids.

    Args:
        truth: Videos, tracks and categories.

    Raises:
        ValueError: If a video names no files.

    Source:
        The form of open-mmlab/mmdetection
        v3.3.0:mmdet/datasets/base_video_dataset.py.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for name, video in truth.videos.items():
        if not video.file_names:
            raise ValueError(f'video {name!r} names no files')
        first = len(images) + 1
        images += [
            dict(
                id=first + t,
                file_name=file,
                height=video.size[0],
                width=video.size[1],
                frame_id=t,
                video_id=name,
            )
            for t, file in enumerate(video.file_names)
        ]
        for track in truth.tracks[name]:
            for t in range(video.length):
                entry = _frame_annotation(track, video, t)
                if entry is not None:
                    entry.update(id=len(annotations) + 1, image_id=first + t)
                    annotations.append(entry)
    return dict(
        videos=[
            dict(
                id=name,
                height=video.size[0],
                width=video.size[1],
                length=video.length,
            )
            for name, video in truth.videos.items()
        ],
        images=images,
        annotations=annotations,
        categories=[
            dict(id=name, name=text) for name, text in truth.categories.items()
        ],
    )


def _frame_annotation(
    track: VisTrack, video: VisVideo, t: int
) -> dict[str, Any] | None:
    """Return a track's annotation in a frame; None where it is absent."""
    segmentation = track.segmentations[t]
    if not segmentation:
        return None
    box = None if track.boxes is None else track.boxes[t]
    area = None if track.areas is None else track.areas[t]
    if box is None or area is None:
        box, area = _measured(segmentation, video)
    if not area or min(box[2:]) < 1:
        return None
    return dict(
        video_id=track.video_id,
        category_id=track.category_id,
        instance_id=track.id,
        segmentation=segmentation,
        bbox=list(box),
        area=area,
        iscrowd=int(track.is_crowd),
    )


def _measured(segmentation: Any, video: VisVideo) -> tuple[list[int], int]:
    """Return box (x, y, w, h) and area of a mask."""
    mask = decode_mask(segmentation, video.size)
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return [0, 0, 0, 0], 0
    box = [
        int(columns[0]),
        int(rows[0]),
        int(columns[-1] - columns[0] + 1),
        int(rows[-1] - rows[0] + 1),
    ]
    return box, int(mask.sum())
