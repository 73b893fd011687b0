"""VisClips: mmdet's YTVIS data set, built so that it cannot go wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from slotkd.ops.vis_annotations import errors_naming, load_json, records
from slotkd.registry import DATASETS


@DATASETS.register_module()
class VisClips(Dataset):
    """Videos of ``mmdet.YouTubeVISDataset`` with the classes of their file.

    mmdet takes its classes from a fixed list and keeps silent where none of
    them occurs in the file; in training it drops frames without objects,
    which shortens videos. Here classes are those of the file by ascending
    id, all frames stay, and an empty data set is an error.

    Args:
        ann_file: Annotations of single frames as mmdet reads them; see
            ``tools/dataset_converters``.
        frames_root: The folder that their ``file_name`` is relative to.
        pipeline: Transforms: for training from
            :class:`slotkd.datasets.ClipFrameSample` on, for tests of a whole
            video in lists.
        test_mode: Whether an item is a whole video.

    Raises:
        ValueError: If the file has no video, an instance id below 1, or
            frames of less than 32 pixels, which mmdet would drop.
        OSError: If the file cannot be opened.

    Source:
        open-mmlab/mmdetection v3.3.0:mmdet/datasets/youtube_vis_dataset.py.
    """

    def __init__(
        self,
        ann_file: str,
        frames_root: str,
        *,
        pipeline: Sequence = (),
        test_mode: bool = False,
    ) -> None:
        with errors_naming(ann_file):
            names = _checked_classes(load_json(ann_file), test_mode)
        self.videos = DATASETS.build(
            dict(
                type='mmdet.YouTubeVISDataset',
                dataset_version='2021',
                metainfo=dict(classes=names),
                ann_file=str(Path(ann_file).resolve()),
                data_prefix=dict(img_path=str(frames_root)),
                filter_cfg=dict(filter_empty_gt=False, min_size=32),
                pipeline=list(pipeline),
                test_mode=test_mode,
            )
        )

    @property
    def metainfo(self) -> dict:
        """Names of the classes, ids ascending, under ``classes``."""
        return self.videos.metainfo

    def full_init(self) -> None:
        """Do nothing; videos are read at construction."""

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Any:
        return self.videos[index]


def _checked_classes(content: Any, test_mode: bool) -> tuple[str, ...]:
    """Return the class names of a file by ascending id."""
    images = records(content, 'images')
    if not images:
        raise ValueError('there is no video')
    for image in images:
        side = min(image['height'], image['width'])
        if side < 32 and not test_mode:
            raise ValueError(
                f'image {image["id"]} has a side of {side} pixels; mmdet '
                'drops frames below 32'
            )
    for entry in content.get('annotations') or ():
        if int(entry.get('instance_id', 0)) < 1:
            raise ValueError(
                f'annotation {entry["id"]} has instance_id '
                f'{entry.get("instance_id")}; identities start at 1'
            )
    categories = records(content, 'categories')
    if [c['id'] for c in categories] != sorted(c['id'] for c in categories):
        raise ValueError(
            'categories must be in the order of their ids: mmdet numbers '
            'classes by their place in the file'
        )
    return tuple(str(category['name']) for category in categories)
