"""Frames with class labels on disk, in the layout of mmseg's data sets."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ('ground', 'box', 'disc')


def write_frames(root: Path, videos: dict[str, int], size=(32, 40)) -> None:
    """Write videos of a box that passes a disc, ``img`` beside ``ann``.

    Args:
        root: Where the two folders go.
        videos: Name to number of frames.
        size: Height and width.
    """
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for video, length in videos.items():
        for number in range(length):
            labels = np.zeros(size, np.uint8)
            labels[4:16, 2 + 2 * number : 14 + 2 * number] = 1
            disc = (rows - 22) ** 2 + (columns - 25) ** 2 < 60
            labels[disc] = 2
            colors = np.array([[40, 60, 40], [190, 40, 40], [60, 90, 220]])
            image = colors[labels] + rng.integers(0, 30, (*size, 3))
            for kind, array in (('img', image), ('ann', labels)):
                path = root / kind / video / f'{number:03d}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array.astype(np.uint8)).save(path)


def dataset(root: Path, **options) -> dict:
    """Return the config of mmseg's plain data set over these frames."""
    return dict(
        type='mmseg.BaseSegDataset',
        data_root=str(root),
        img_suffix='.png',
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=CLASSES),
        **options,
    )
