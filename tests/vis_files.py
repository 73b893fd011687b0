"""Small YTVIS data sets on disk: coloured squares that move."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from slotkd.ops.rle import encode_mask

COLOURS = ((220, 40, 40), (40, 220, 40), (40, 40, 220))


def write_squares(
    root: Path,
    videos: list[list[int]],
    *,
    frames: int = 6,
    size: tuple[int, int] = (48, 64),
    side: int = 14,
    absent: tuple[tuple[int, int, int], ...] = (),
    categories: int = 3,
) -> Path:
    """Write videos whose squares have the colour of their class.

    Args:
        root: Where frames and ``train.json`` go.
        videos: Category (1, 2, 3) of each square of each video.
        frames: Frames of a video.
        size: Height and width.
        side: Of a square, in pixels.
        absent: (video, track, frame), counted from 0, without a mask.
        categories: Number of categories in the file.

    Returns:
        The path of the annotations.
    """
    content = dict(
        videos=[],
        annotations=[],
        categories=[
            dict(id=k, name=f'kind{k}') for k in range(1, categories + 1)
        ],
    )
    for v, kinds in enumerate(videos):
        names = [f'video{v}/{t:03d}.png' for t in range(frames)]
        images = np.full((frames, *size, 3), 90 + v, np.uint8)
        for o, category in enumerate(kinds):
            masks = np.zeros((frames, *size), bool)
            for t in range(frames):
                left = 4 + 3 * t
                top = 2 + (side + 1) * o
                masks[t, top : top + side, left : left + side] = True
                if (v, o, t) in absent:
                    masks[t] = False
            images[masks] = COLOURS[category - 1]
            content['annotations'].append(
                _annotation(content, v, category, masks)
            )
        for name, image in zip(names, images, strict=True):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / name)
        content['videos'].append(
            dict(
                id=v + 1,
                height=size[0],
                width=size[1],
                length=frames,
                file_names=names,
            )
        )
    path = root / 'train.json'
    path.write_text(json.dumps(content))
    return path


def _annotation(content: dict, video: int, category: int, masks) -> dict:
    boxes, areas, segmentations = [], [], []
    for mask in masks:
        if not mask.any():
            boxes.append(None)
            areas.append(None)
            segmentations.append(None)
            continue
        rows, columns = (np.flatnonzero(mask.any(axis=k)) for k in (1, 0))
        boxes.append(
            [
                int(columns[0]),
                int(rows[0]),
                len(columns),
                len(rows),
            ]
        )
        areas.append(int(mask.sum()))
        segmentations.append(encode_mask(mask))
    return dict(
        id=len(content['annotations']) + 1,
        video_id=video + 1,
        category_id=category,
        iscrowd=0,
        bboxes=boxes,
        areas=areas,
        segmentations=segmentations,
    )
