"""COCO images as clips of one frame."""

from collections.abc import Sequence
from pathlib import Path

from slotkd.datasets.ytvis import YTVISDataset
from slotkd.ops.vis_annotations import (
    VisAnnotations,
    coco_as_vis,
    errors_naming,
    read_annotations,
)
from slotkd.registry import DATASETS


@DATASETS.register_module()
class CocoImageDataset(YTVISDataset):
    """Images with COCO instances, each a video of one frame.

    Polygons and RLE are drawn as COCO's own tools do. Instances are numbered
    from 1 in the order of the file; the rest is as in
    :class:`slotkd.datasets.YTVISDataset`.

    Args:
        data_root: The folder that holds everything.
        pipeline: Transforms.
        ann_file: The instances below ``data_root``; of several names the
            first that exists is read.
        frames_dir: The folder below ``data_root`` that holds the images.
        with_masks: Whether to read masks. Without, only the list of images
            is read, which ``image_info`` files hold as well.
        first_videos: Keep only so many images, in the order of their ids.
        crowd: ``'exclude'`` shows background in the place of groups,
            ``'void'`` pixels that do not count.
        ignore_overlaps: Pixels of several instances become void; else they
            are an error, and COCO has such pixels.
        skip_missing: Leave out images that are missing and log how many.

    Raises:
        ValueError: As :class:`slotkd.datasets.YTVISDataset`.

    Source:
        Lin et al., Microsoft COCO, ECCV 2014, arXiv:1405.0312; as clips of
        one frame in martius-lab/videosaur@5d09311b.
    """

    METAINFO = dict(name='coco')

    def __init__(
        self,
        data_root: str | Path,
        pipeline: Sequence = (),
        *,
        ann_file: str | Sequence[str],
        frames_dir: str,
        with_masks: bool = True,
        first_videos: int | None = None,
        crowd: str = 'exclude',
        ignore_overlaps: bool = False,
        skip_missing: bool = False,
    ) -> None:
        super().__init__(
            data_root,
            pipeline,
            ann_file=ann_file,
            frames_dir=frames_dir,
            with_masks=with_masks,
            first_videos=first_videos,
            crowd=crowd,
            ignore_overlaps=ignore_overlaps,
            skip_missing=skip_missing,
        )

    def read_truth(self) -> VisAnnotations:
        """Read the file as one of short videos."""
        short_videos = coco_as_vis(self.ann_path)
        with errors_naming(self.ann_path):
            return read_annotations(short_videos, with_tracks=self.with_masks)
