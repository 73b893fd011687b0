"""Videos in the layout of DAVIS as the content of a YTVIS file."""

from pathlib import Path
from typing import Any

import numpy as np

from slotkd.datasets.video_folders import VideoFolderDataset
from slotkd.ops.instance_labels import VOID
from slotkd.ops.vis_tubes import annotate_tube


def folders_as_vis(
    dataset: VideoFolderDataset, category: str = 'object'
) -> dict[str, Any]:
    """Return videos, tracks and the one category of a data set.

    Each label of a video's masks is a track; 0 and void (255) are none.
    Videos are numbered from 1 in the order of the data set, ``file_names``
    are relative to its folder of frames.

    Args:
        dataset: Whole videos as folders of frames, with masks.
        category: Name of the category of every track.

    Raises:
        ValueError: If a video is a file, or has no masks.
    """
    videos: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(len(dataset)):
        video = dataset.video_info(index)
        name, number = video['video_id'], index + 1
        if 'frames' not in video:
            raise ValueError(f'{video["path"]} is no folder of frames')
        masks = dataset.read_masks(video, range(video['video_length']))
        if masks is None:
            raise ValueError(f'video {name} has no masks')
        labels = np.stack(masks)
        videos.append(
            dict(
                id=number,
                name=name,
                height=labels.shape[1],
                width=labels.shape[2],
                length=len(labels),
                file_names=[
                    str(Path(name) / frame) for frame in video['frames']
                ],
            )
        )
        for label in np.setdiff1d(labels, (0, VOID)):
            track = annotate_tube(labels == label)
            assert track is not None  # the label occurs
            track.update(
                id=len(annotations) + 1, video_id=number, category_id=1
            )
            annotations.append(track)
    return dict(
        videos=videos,
        annotations=annotations,
        categories=[dict(id=1, name=category)],
    )
