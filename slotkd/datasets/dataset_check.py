"""Read a data set from end to end and count what is in it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

from slotkd.datasets.video_dataset import VideoDataset
from slotkd.ops.instance_labels import VOID

_CHUNK = 16  # frames read at once

Images = Sequence[np.ndarray]
Part = tuple[Sequence[int], Images, Images | None]


@dataclass(kw_only=True)
class DatasetReport:
    """What was counted.

    Args:
        kind: Class of the data set.
        items: Its length.
        lengths: Frames of each video.
        sizes: Videos by height and width of their frames.
        frames_read: Frames that were read.
        masks_read: Masks that were read.
        labels: Number of videos that hold a label, by label.
        empty_masks: Masks without any object.
        most_objects: Largest number of objects in one video.
        classes: Number of classes, 0 where the data set names none.
        problems: What is unreadable or does not fit, one line each.
        skipped: What the data set was told to leave out.
    """

    kind: str
    items: int = 0
    lengths: list[int] = field(default_factory=list)
    sizes: Counter = field(default_factory=Counter)
    frames_read: int = 0
    masks_read: int = 0
    labels: Counter = field(default_factory=Counter)
    empty_masks: int = 0
    most_objects: int = 0
    classes: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def find_readers(dataset: Any) -> list[BaseDataset]:
    """Return the data sets that read videos, out of any that wrap them.

    Args:
        dataset: A data set; wrappers keep theirs in ``dataset``,
            ``datasets`` or ``videos``.
    """
    if isinstance(dataset, VideoDataset):
        return [dataset]
    for name in ('dataset', 'videos', 'datasets'):
        inner = getattr(dataset, name, None)
        if isinstance(inner, BaseDataset):
            return find_readers(inner)
        if isinstance(inner, list | tuple):
            return [r for part in inner for r in find_readers(part)]
    return [dataset]


def check_reader(
    dataset: BaseDataset,
    *,
    all_frames: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> DatasetReport:
    """Read every video of a data set, or its first frame.

    Args:
        dataset: One of :func:`find_readers`.
        all_frames: Read every frame and mask, not the first of each video
            alone.
        progress: Called with 1 after each video.

    Returns:
        The counts; what cannot be read is in ``problems``.
    """
    report = DatasetReport(
        kind=type(dataset).__name__,
        items=len(dataset),
        classes=len(dataset.metainfo.get('classes') or ()),
    )
    for video in each_video(dataset):
        _check_video(report, dataset, video, all_frames)
        progress(1)
    return report


def each_video(dataset: BaseDataset) -> Iterator[dict]:
    """Yield the description of each video once, clips of one video joined.

    Args:
        dataset: One of :func:`find_readers`; those that are no
            :class:`VideoDataset` make an item of each video.
    """
    if not isinstance(dataset, VideoDataset):
        for index in range(len(dataset)):
            yield dict(item=index)
        return
    seen: set[str] = set()
    for index in range(len(dataset)):
        video = dataset.video_info(index)
        if video['video_id'] not in seen:
            seen.add(video['video_id'])
            yield video


def _check_video(
    report: DatasetReport, dataset: BaseDataset, video: dict, all_frames: bool
) -> None:
    """Read one video and add it to the counts."""
    if 'item' in video:
        video = dataset.get_data_info(video['item'])
        ids: Sequence[int] = range(len(video['img']))
        parts = iter([(ids, video['img'], video.get('gt_seg_map'))])
    else:
        ids = range(video['video_length'] if all_frames else 1)
        parts = _read_parts(report, dataset, video, ids)
    shape: tuple[int, ...] | None = None
    labels: set[int] = set()
    for part, frames, masks in parts:
        shape = shape or frames[0].shape[:2]
        where = f'video {video["video_id"]}'
        report.problems += _misfits(f'{where}: frame', part, frames, shape)
        report.frames_read += len(frames)
        for mask in masks or ():
            found = _labels_of(mask)
            report.masks_read += 1
            report.empty_masks += found <= {0}
            labels |= found
        report.problems += _misfits(f'{where}: mask', part, masks, shape)
    report.lengths.append(video['video_length'])
    report.sizes.update([shape] if shape is not None else [])
    report.labels.update(labels)
    report.most_objects = max(report.most_objects, len(labels - {0, VOID}))


def _read_parts(
    report: DatasetReport,
    dataset: VideoDataset,
    video: dict,
    ids: Sequence[int],
) -> Iterator[Part]:
    """Yield frames and masks; a part that fails is read frame by frame."""
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        try:
            yield part, *dataset.read_clip(video, part)
        except (OSError, ValueError):
            yield from _read_singly(report, dataset, video, part)


def _read_singly(
    report: DatasetReport,
    dataset: VideoDataset,
    video: dict,
    ids: Sequence[int],
) -> Iterator[Part]:
    for index in ids:
        try:
            yield [index], *dataset.read_clip(video, [index])
        except (OSError, ValueError) as error:
            report.problems.append(str(error))


def _misfits(
    name: str,
    ids: Sequence[int],
    images: Images | None,
    shape: tuple[int, ...],
) -> Iterator[str]:
    """Name the images of another size than the first frame."""
    for index, image in zip(ids, images or (), strict=False):
        if image.shape[:2] != shape:
            yield (
                f'{name} {index} is {image.shape[0]}x{image.shape[1]}, the '
                f'first frame is {shape[0]}x{shape[1]}'
            )


def _labels_of(mask: np.ndarray) -> set[int]:
    if mask.dtype == np.uint8:
        return set(np.flatnonzero(np.bincount(mask.ravel())).tolist())
    return set(np.unique(mask).tolist())
