"""Tiny YTVIS, OVIS and COCO trees, written by the tests themselves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from slotkd.ops.rle import encode_mask, mask_runs

HEIGHT, WIDTH = 24, 32
CATEGORIES = [dict(id=30, name='ape'), dict(id=4, name='cat')]


def disjoint(length: int, size: tuple[int, int] = (HEIGHT, WIDTH)):
    """Two tracks that do not touch; the second is absent in frame 1."""
    height, width = size
    first = np.zeros((length, height, width), bool)
    first[:, 2 : height // 2, 2 : width // 2] = True
    second = np.zeros_like(first)
    for t in range(length):
        if t != 1:
            second[t, height // 2 + 1 :, width // 2 + t % 3 :] = True
    return first, second


def segmentation(mask: np.ndarray, form: str = 'string') -> Any:
    """Write a mask as RLE string, as a list of runs, or None if empty."""
    if not mask.any():
        return None
    if form == 'list':
        return dict(size=list(mask.shape), counts=mask_runs(mask).tolist())
    return encode_mask(mask)


def annotation(ann_id, video_id, category_id, track, **extra) -> dict:
    """Return one annotation of a YTVIS file."""
    form = extra.pop('form', 'string')
    return (
        dict(
            id=ann_id,
            video_id=video_id,
            category_id=category_id,
            iscrowd=0,
            segmentations=[segmentation(mask, form) for mask in track],
            areas=[int(mask.sum()) or None for mask in track],
            bboxes=[_box(mask) for mask in track],
        )
        | extra
    )


def _box(mask: np.ndarray) -> list[int] | None:
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [
        int(columns[0]),
        int(rows[0]),
        int(columns[-1] - columns[0] + 1),
        int(rows[-1] - rows[0] + 1),
    ]


def ytvis(lengths: dict[int, int], size=(HEIGHT, WIDTH)) -> dict[str, Any]:
    """Return a YTVIS file with two tracks for each video.

    Args:
        lengths: Video id -> number of frames, in the order of the file.
        size: Of every frame.
    """
    videos, annotations = [], []
    for video_id, length in lengths.items():
        videos.append(
            dict(
                id=video_id,
                height=size[0],
                width=size[1],
                length=length,
                file_names=[
                    f'clip{video_id}/{5 * t:05d}.jpg' for t in range(length)
                ],
            )
        )
        for track, kind in zip(disjoint(length, size), (30, 4), strict=True):
            ann_id = len(annotations) + 1
            annotations.append(annotation(ann_id, video_id, kind, track))
    return dict(videos=videos, categories=CATEGORIES, annotations=annotations)


def coco(num_images: int, size=(HEIGHT, WIDTH)) -> dict[str, Any]:
    """Return a COCO file: a box as polygon and one as RLE in each image."""
    images, annotations = [], []
    for index in range(1, num_images + 1):
        images.append(
            dict(
                id=index,
                height=size[0],
                width=size[1],
                file_name=f'{index:012d}.jpg',
            )
        )
        (first,), (second,) = disjoint(1, size)
        left, top, w, h = _box(first)
        right, low = left + w, top + h
        shapes = [
            [[left, top, right, top, right, low, left, low]],
            segmentation(second, 'list'),
        ]
        for shape, kind in zip(shapes, (30, 4), strict=True):
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=index,
                    category_id=kind,
                    iscrowd=0,
                    segmentation=shape,
                )
            )
    return dict(images=images, categories=CATEGORIES, annotations=annotations)


def write_json(path: Path, content: Any) -> Path:
    """Write a file, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding='utf-8')
    return path


def write_frames(folder: Path, content: dict[str, Any]) -> None:
    """Write the frames of a YTVIS or COCO file; brightness says which."""
    for video in content.get('videos', content.get('images')):
        names = video.get('file_names', [video.get('file_name')])
        for t, name in enumerate(names):
            shape = (video['height'], video['width'], 3)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full(shape, 20 + 10 * t, np.uint8)).save(path)
