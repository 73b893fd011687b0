"""Videos as folders of images or as video files, with or without masks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from slotkd.datasets.frame_files import (
    list_images,
    natural_key,
    read_frame,
    read_mask,
)
from slotkd.datasets.video_dataset import VideoDataset
from slotkd.datasets.video_files import (
    VIDEO_SUFFIXES,
    frame_times,
    read_video_frames,
)
from slotkd.registry import DATASETS


@DATASETS.register_module()
class VideoFolderDataset(VideoDataset):
    """Videos below one folder: frame folders, video files, or both.

    Each folder in ``data_root/frames_dir`` is a video, its images are the
    frames; each video file there is a video. If the folder holds images
    itself, it is one video. Names with a leading dot are skipped, as are
    files of other kinds.

    DAVIS: ``frames_dir='JPEGImages/480p'``, ``masks_dir='Annotations/480p'``,
    ``split='ImageSets/2017/train.txt'``.

    Args:
        data_root: The folder that holds everything.
        pipeline: Transforms.
        frames_dir: Where the videos are, below ``data_root``.
        masks_dir: Where their masks are, below ``data_root``: a folder for
            each video, an image of labels for each frame, of the same name
            (of the position in the video for video files). None: no labels.
        split: Text file below ``data_root`` with one video name per line;
            or, as in old DAVIS lists, the paths of frames and masks. None
            takes all videos.
        binary_masks: Merge all labels above 0 into object 1 (DAVIS-2016).
        clip_len: See :class:`VideoDataset`, as are the following.
        frame_stride: Step between frames.
        clip_mode: How clips are chosen.
        skip_short: Leave out videos that are too short.

    Raises:
        ValueError: If a folder is empty, a name of the split is missing, or
            masks do not match the frames in number, name or size.

    Source:
        Layout of Pont-Tuset et al., The 2017 DAVIS Challenge,
        arXiv:1704.00675.
    """

    METAINFO = dict(name='video_folders')

    def __init__(
        self,
        data_root: str | Path,
        pipeline: Sequence = (),
        *,
        frames_dir: str = '',
        masks_dir: str | None = None,
        split: str | None = None,
        binary_masks: bool = False,
        clip_len: int | None = None,
        frame_stride: int = 1,
        clip_mode: str = 'blocks',
        skip_short: bool = False,
    ) -> None:
        self.root = Path(data_root)
        self.frames_root = self.root / frames_dir
        self.masks_root = None if masks_dir is None else self.root / masks_dir
        self.split = None if split is None else self.root / split
        self.binary_masks = binary_masks
        super().__init__(
            pipeline,
            clip_len=clip_len,
            frame_stride=frame_stride,
            clip_mode=clip_mode,
            skip_short=skip_short,
        )

    def list_videos(self) -> list[dict]:
        """List frame folders and video files, sorted or as in the split."""
        if not self.frames_root.is_dir():
            raise ValueError(f'folder of videos {self.frames_root} not found')
        if self.split is not None:
            paths = [self._find(name) for name in read_split(self.split)]
        else:
            paths = _videos_in(self.frames_root)
        return [self._describe(path) for path in paths]

    def read_frames(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[np.ndarray]:
        """Decode the frames of a clip."""
        if 'times' in video:
            times = [video['times'][index] for index in frame_ids]
            return read_video_frames(Path(video['path']), times)
        folder = Path(video['path'])
        return [read_frame(folder / video['frames'][i]) for i in frame_ids]

    def read_masks(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[np.ndarray] | None:
        """Decode the masks of a clip."""
        if self.masks_root is None:
            return None
        folder = self.masks_root / video['video_id']
        masks = [read_mask(folder / video['masks'][i]) for i in frame_ids]
        if self.binary_masks:
            masks = [(mask > 0).astype(np.uint8) for mask in masks]
        return masks

    def _find(self, name: str) -> Path:
        """Return the folder or file of a name of the split."""
        for suffix in ('', *VIDEO_SUFFIXES):
            path = self.frames_root / (name + suffix)
            if path.exists():
                return path
        raise ValueError(
            f'{self.split} names video {name}, which is not in '
            f'{self.frames_root}'
        )

    def _describe(self, path: Path) -> dict:
        """Count the frames of one video and pair them with its masks."""
        video: dict = dict(path=str(path))
        if path.is_file():
            name, times = path.stem, frame_times(path)
            video.update(times=times, video_length=len(times))
        else:
            name = path.name or path.resolve().name
            frames = [frame.name for frame in list_images(path)]
            if not frames:
                raise ValueError(f'folder {path} holds no image')
            video.update(frames=frames, video_length=len(frames))
        video['video_id'] = name
        if self.masks_root is not None:
            video['masks'] = _matching_masks(self.masks_root / name, video)
        return video


def read_split(path: Path) -> list[str]:
    """Read the names of videos, each once, in order.

    Args:
        path: One name per line, or paths whose folder is the name.

    Raises:
        ValueError: If the file is missing or names nothing.
    """
    if not path.is_file():
        raise ValueError(f'split file {path} not found')
    names: dict[str, None] = {}
    for line in path.read_text(encoding='utf-8').splitlines():
        if line.strip():
            first = line.split()[0]
            names[Path(first).parent.name if '/' in first else first] = None
    if not names:
        raise ValueError(f'split file {path} names no video')
    return list(names)


def _videos_in(folder: Path) -> list[Path]:
    """List the videos of a folder; the folder itself if it holds images."""
    if list_images(folder):
        return [folder]
    paths = [
        path
        for path in sorted(folder.iterdir(), key=natural_key)
        if not path.name.startswith('.')
        and (path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES)
    ]
    if not paths:
        raise ValueError(
            f'folder {folder} holds no video: neither folders of images, nor '
            f'images, nor files named {", ".join(VIDEO_SUFFIXES)}'
        )
    return paths


def _matching_masks(folder: Path, video: dict) -> list[str]:
    """List the masks of a video, one for each frame."""
    if not folder.is_dir():
        raise ValueError(
            f'video {video["video_id"]} has no folder of masks {folder}'
        )
    masks = list_images(folder)
    if len(masks) != video['video_length']:
        raise ValueError(
            f'folder {folder} holds {len(masks)} masks for '
            f'{video["video_length"]} frames'
        )
    for mask, frame in zip(masks, video.get('frames', ()), strict=False):
        if mask.stem != Path(frame).stem:
            raise ValueError(
                f'mask {mask} stands where frame {frame} needs '
                f'{Path(frame).stem}{mask.suffix}'
            )
    return [mask.name for mask in masks]
