"""MOVi as TensorFlow Datasets stores it, read without TensorFlow."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from slotkd.datasets.frame_files import (
    EncodedImage,
    image_shape,
    read_frame,
    read_mask,
)
from slotkd.datasets.shard_index import ShardContent
from slotkd.datasets.tf_records import (
    Record,
    ShardError,
    check_record,
    find_byte_lists,
    iterate_records,
    map_file,
)
from slotkd.datasets.video_shards import VideoShardDataset
from slotkd.registry import DATASETS

INFO = 'dataset_info.json'
VIDEO, MASKS, NAME = 'video', 'segmentations', 'metadata/video_name'
_TEMPLATE = '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}'


@DATASETS.register_module()
class MoviTfdsDataset(VideoShardDataset):
    """MOVi-A to -F in the TFRecord files that Kubric publishes.

    The folder of one version, as ``movi_e/128x128/1.0.0``, holds
    ``dataset_info.json`` and ``<name>-<split>.tfrecord-<i>-of-<n>``. A record
    is a video; of its features ``video`` and ``segmentations``, an encoded
    image for each frame, only the frames of a clip are read.

    Args:
        data_root: The folder of one size and version.
        pipeline: Transforms.
        split: ``'train'``, ``'validation'`` or another of the data set.
        with_masks: Whether to read segmentations.
        verify: Compare all data with their checksums when the index is
            built, which reads every byte once. False checks the framing
            only.
        skip_broken: Leave out what cannot be read and log how much; else it
            is an error.
        index_dir: Where the index goes if ``data_root`` cannot be written
            to.
        clip_len: See :class:`VideoDataset`, as are the following.
        frame_stride: Step between frames.
        clip_mode: How clips are chosen.
        skip_short: Leave out videos that are too short.

    Raises:
        ValueError: If ``dataset_info.json`` is missing or has no such split,
            or a file or record is missing or broken; names file, record and
            what is wrong.

    Source:
        Features of google-research/kubric:challenges/movi/movi_c.py@0afe405;
        files of tensorflow/datasets.
    """

    METAINFO = dict(name='movi_tfds')

    def __init__(
        self,
        data_root: str | Path,
        pipeline: Sequence = (),
        *,
        split: str = 'train',
        with_masks: bool = True,
        verify: bool = True,
        skip_broken: bool = False,
        index_dir: str | Path | None = None,
        clip_len: int | None = None,
        frame_stride: int = 1,
        clip_mode: str = 'blocks',
        skip_short: bool = False,
    ) -> None:
        self.with_masks = with_masks
        self.verify = verify
        self.kind = 'tfrecord' if verify else 'tfrecord_unverified'
        pattern, self.shard_lengths = read_split_info(Path(data_root), split)
        super().__init__(
            data_root,
            pipeline,
            shards=pattern,
            skip_broken=skip_broken,
            index_dir=index_dir,
            clip_len=clip_len,
            frame_stride=frame_stride,
            clip_mode=clip_mode,
            skip_short=skip_short,
        )

    def scan_shard(self, path: Path) -> ShardContent:
        """Find the images of all records of a file."""
        data = map_file(path)
        videos: list[dict] = []
        try:
            for index, record in enumerate(iterate_records(data)):
                video = dict(video_id=f'{path.name}:{index}', record=index)
                try:
                    video |= self._find(data, record)
                except ValueError as error:
                    video['problem'] = str(error)
                videos.append(video)
        except ShardError as error:
            return ShardContent(videos=videos, problem=str(error))
        return ShardContent(videos=videos)

    def shard_problem(self, index: int, content: ShardContent) -> str | None:
        """Compare the number of records with ``dataset_info.json``."""
        found, told = len(content.videos), self.shard_lengths[index]
        if content.problem is None and found != told:
            return f'holds {found} records, {INFO} says {told}'
        return content.problem

    def describe_video(self, path: Path, video: dict) -> dict:
        """Check what is known of one record."""
        name = f'record {video["record"]}'
        if 'problem' in video:
            raise ValueError(f'{name} {video["problem"]}')
        wanted = (VIDEO, MASKS) if self.with_masks else (VIDEO,)
        for field in wanted:
            if not video.get(field):
                raise ValueError(f'{name} holds no {field}')
        length = len(video[VIDEO])
        if self.with_masks and len(video[MASKS]) != length:
            raise ValueError(
                f'{name} holds {len(video[MASKS])} {MASKS} for {length} '
                f'frames of {VIDEO}'
            )
        return dict(
            video,
            path=str(path),
            video_length=length,
            ori_shape=tuple(video['ori_shape']),
        )

    def read_frames(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[UInt8[np.ndarray, 'H W 3']]:
        """Decode the frames of a clip."""
        return [read_frame(i) for i in _read(video, VIDEO, frame_ids)]

    def read_masks(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[UInt8[np.ndarray, 'H W']] | None:
        """Decode the masks of a clip."""
        if not self.with_masks:
            return None
        return [read_mask(i) for i in _read(video, MASKS, frame_ids)]

    def _find(self, data: memoryview, record: Record) -> dict:
        """Return the name of a video and where its images lie.

        Raises:
            ValueError: If the record or its first frame is broken.
        """
        if self.verify:
            check_record(data, record)
        found = find_byte_lists(data, record, {VIDEO, MASKS, NAME})
        video: dict[str, Any] = {
            field: [list(span) for span in found[field]]
            for field in (VIDEO, MASKS)
            if field in found
        }
        for start, end in found.get(NAME, ()):
            video['video_id'] = bytes(data[start:end]).decode(errors='replace')
        for start, end in video.get(VIDEO, ())[:1]:
            image = EncodedImage(bytes(data[start:end]), 'of frame 0')
            video['ori_shape'] = image_shape(image)
        return video


def read_split_info(root: Path, split: str) -> tuple[str, list[int]]:
    """Return the pattern of the files of a split and their record counts.

    Args:
        root: The folder of one version of a data set.
        split: Name of the split.

    Raises:
        ValueError: If ``dataset_info.json`` is missing or broken, has no
            such split, or tells of another kind of files.
    """
    path = root / INFO
    try:
        info = json.loads(path.read_text(encoding='utf-8'))
        name, kind = info['name'], info.get('fileFormat', 'tfrecord')
        splits = {part['name']: part for part in info['splits']}
        part = splits.get(split, dict(shardLengths=[]))
        counts = [int(count) for count in part['shardLengths']]
    except FileNotFoundError:
        raise ValueError(
            f'{path} not found; data_root is the folder of one version, as '
            'in movi_e/128x128/1.0.0'
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path} cannot be read: {type(error).__name__}: {error}'
        ) from error
    template = part.get('filepathTemplate') or _TEMPLATE
    if kind != 'tfrecord' or template != _TEMPLATE:
        raise ValueError(
            f'{path}: files of format {kind} named {template} are not read, '
            f'only tfrecord named {_TEMPLATE}'
        )
    if not counts:
        raise ValueError(
            f'{path}: split {split!r} has no files; the splits are '
            f'{", ".join(splits) or "none"}'
        )
    total = len(counts)
    files = f'{{00000..{total - 1:05d}}}-of-{total:05d}'
    return f'{name}-{split}.tfrecord-{files}', counts


def _read(
    video: dict, field: str, frame_ids: Sequence[int]
) -> list[EncodedImage]:
    """Read the encoded images of some frames."""
    path = Path(video['path'])
    images = []
    with path.open('rb') as file:
        for index in frame_ids:
            start, end = video[field][index]
            file.seek(start)
            name = f'{path}: record {video["record"]}, {field} {index}'
            images.append(EncodedImage(file.read(end - start), name))
    return images
