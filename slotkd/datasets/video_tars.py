"""Videos in the tar archives of SlotContrast, read in place."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Integer, UInt8

from slotkd.datasets.array_headers import (
    ArrayHeader,
    check_masks,
    check_video,
)
from slotkd.datasets.shard_index import ShardContent
from slotkd.datasets.tar_shards import (
    array_header,
    read_array_frames,
    scan_tar,
)
from slotkd.datasets.video_shards import VideoShardDataset
from slotkd.ops.choices import check_choice
from slotkd.ops.instance_labels import VOID, labels_from_channels
from slotkd.registry import DATASETS

MASK_FORMATS = ('labels', 'channels')
VIDEO, MASKS = 'video', 'segmentations'


@DATASETS.register_module()
class VideoTarDataset(VideoShardDataset):
    """Videos in WebDataset tars, as SlotContrast writes them.

    A video is ``<key>.video.npy`` (T, H, W, 3), 8-bit RGB, perhaps with
    ``<key>.segmentations.npy``, integers: (T, H, W, 1) with instance ids, 0 =
    background (MOVi, DAVIS), or (T, H, W, O) with a channel for each
    instance, above 0 where it is (YTVIS). The archives are not compressed.
    Only the frames of a clip are read; where they lie is kept in an index.

    The dummy videos that SlotContrast's loader appends to a validation set
    are not in the archives, so nothing but real videos is scored.

    Args:
        data_root: Folder of the archives.
        pipeline: Transforms.
        shards: Names of the archives below ``data_root``, with ranges
            ``{000000..000304}`` or wild cards.
        with_masks: Whether to read segmentations; a video without them is
            then an error.
        mask_format: ``'labels'`` or ``'channels'``. A channel becomes the
            label of its number, from 1; which category it names is dropped.
        ignore_overlaps: With channels: mark pixels of several instances as
            void instead of raising.
        skip_broken: Leave out what cannot be read and log how much; else it
            is an error.
        index_dir: Where the index goes if ``data_root`` cannot be written
            to.
        clip_len: See :class:`VideoDataset`, as are the following.
        frame_stride: Step between frames.
        clip_mode: How clips are chosen.
        skip_short: Leave out videos that are too short.

    Raises:
        ValueError: If no archive is found, or one is missing or broken;
            names archive, member and what is wrong.

    Source:
        Members and shapes of the converters of
        martius-lab/videosaur:data/save_movi.py@81dd9c1 and save_ytvis2021.py,
        which martius-lab/slotcontrast@17b42b05 reads.
    """

    METAINFO = dict(name='video_tars')
    kind = 'tar'

    def __init__(
        self,
        data_root: str | Path,
        pipeline: Sequence = (),
        *,
        shards: str | Sequence[str] = '*.tar',
        with_masks: bool = True,
        mask_format: str = 'labels',
        ignore_overlaps: bool = False,
        skip_broken: bool = False,
        index_dir: str | Path | None = None,
        clip_len: int | None = None,
        frame_stride: int = 1,
        clip_mode: str = 'blocks',
        skip_short: bool = False,
    ) -> None:
        check_choice('mask_format', mask_format, MASK_FORMATS)
        self.with_masks = with_masks
        self.with_channels = mask_format == 'channels'
        self.ignore_overlaps = ignore_overlaps
        super().__init__(
            data_root,
            pipeline,
            shards=shards,
            skip_broken=skip_broken,
            index_dir=index_dir,
            clip_len=clip_len,
            frame_stride=frame_stride,
            clip_mode=clip_mode,
            skip_short=skip_short,
        )

    def scan_shard(self, path: Path) -> ShardContent:
        """Find the arrays of an archive."""
        return scan_tar(path, (VIDEO, MASKS))

    def describe_video(self, path: Path, video: dict) -> dict:
        """Check the headers of one video."""
        header = _header(video, VIDEO)
        check_video(header, _member(video, VIDEO))
        if self.with_masks:
            check_masks(
                _header(video, MASKS),
                _member(video, MASKS),
                header,
                VIDEO,
                with_channels=self.with_channels,
            )
        return dict(
            video,
            path=str(path),
            video_length=header.shape[0],
            ori_shape=header.shape[1:3],
        )

    def read_frames(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[UInt8[np.ndarray, 'H W 3']]:
        """Read the frames of a clip."""
        return read_array_frames(Path(video['path']), video[VIDEO], frame_ids)

    def read_masks(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[UInt8[np.ndarray, 'H W']] | None:
        """Read the masks of a clip."""
        if not self.with_masks:
            return None
        path = Path(video['path'])
        masks = read_array_frames(path, video[MASKS], frame_ids)
        convert = self._merge if self.with_channels else _as_labels
        labels = []
        for index, mask in zip(frame_ids, masks, strict=True):
            try:
                labels.append(convert(mask))
            except ValueError as error:
                name = _member(video, MASKS)
                raise ValueError(
                    f'{path}: {name}, frame {index}: {error}'
                ) from error
        return labels

    def _merge(
        self, mask: Integer[np.ndarray, 'H W O']
    ) -> UInt8[np.ndarray, 'H W']:
        """Turn channels into labels."""
        return labels_from_channels(
            np.moveaxis(mask > 0, -1, 0),
            mask.shape[:2],
            ignore_overlaps=self.ignore_overlaps,
        )


def _member(video: dict, field: str) -> str:
    return f'{video["video_id"]}.{field}.npy'


def _header(video: dict, field: str) -> ArrayHeader:
    """Return the header of a field.

    Raises:
        ValueError: If the field is missing or broken.
    """
    if field not in video:
        # A member that is cut short is the last: it tells why.
        others = [
            f'{name}, which {video[name]["problem"]}'
            if 'problem' in video[name]
            else name
            for name in (VIDEO, MASKS)
            if name in video
        ]
        raise ValueError(
            f'video {video["video_id"]} has no {field}, only '
            f'{", ".join(others)}'
        )
    if 'problem' in video[field]:
        raise ValueError(f'{_member(video, field)} {video[field]["problem"]}')
    return array_header(video[field])


def _as_labels(
    mask: Integer[np.ndarray, 'H W ...'],
) -> UInt8[np.ndarray, 'H W']:
    """Drop the channel; what has more than 8 bits must fit below void.

    Raises:
        ValueError: If it does not.
    """
    mask = mask.reshape(mask.shape[:2])
    if mask.dtype != np.uint8 and not 0 <= mask.min() <= mask.max() < VOID:
        raise ValueError(
            f'{mask.dtype} labels {mask.min()} to {mask.max()} do not lie in '
            f'0 to {VOID - 1}'
        )
    return mask.astype(np.uint8, copy=False)
