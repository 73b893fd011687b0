"""Videos as folders of images or as video files, with or without masks."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from slotkd.datasets.folder_listing import (
    matching_masks,
    sparse_masks,
    videos_in,
)
from slotkd.datasets.frame_files import (
    image_shape,
    list_images,
    read_frame,
    read_mask,
)
from slotkd.datasets.video_dataset import VideoDataset
from slotkd.datasets.video_files import (
    VIDEO_SUFFIXES,
    frame_times,
    read_video_frames,
)
from slotkd.datasets.video_problems import MissingVideoError, describe_each
from slotkd.datasets.vos_meta import VosObject, read_vos_meta
from slotkd.ops.instance_labels import VOID
from slotkd.registry import DATASETS


@DATASETS.register_module()
class VideoFolderDataset(VideoDataset):
    """Videos below one folder: frame folders, video files, or both.

    Each folder in ``data_root/frames_dir`` is a video, its images are the
    frames; each video file there is a video. If the folder holds images
    itself, it is one video. Names with a leading dot are skipped, as are
    files of other kinds.

    DAVIS: ``frames_dir='JPEGImages/480p'``, ``masks_dir='Annotations/480p'``,
    ``split='ImageSets/2017/train.txt'``. YouTube-VOS:
    ``frames_dir='train/JPEGImages'``, ``masks_dir='train/Annotations'``,
    ``meta_file='train/meta.json'``.

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
        sparse_masks: Not every frame has a mask (test-dev of DAVIS,
            validation of YouTube-VOS): frames without are void, and
            ``annotated_frames`` of a clip says which have one.
        meta_file: List of objects below ``data_root``, as in YouTube-VOS.
            Without a split it names the videos. Clips then carry
            ``object_categories`` and ``object_frames``, the frames of the
            clip in which an object is listed.
        skip_missing: Leave out videos that are listed and missing, and log
            how many; else they are an error.
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
        sparse_masks: bool = False,
        meta_file: str | None = None,
        skip_missing: bool = False,
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
        self.sparse_masks = sparse_masks
        self.meta_path = None if meta_file is None else self.root / meta_file
        self.skip_missing = skip_missing
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
        meta = (
            None if self.meta_path is None else read_vos_meta(self.meta_path)
        )
        if self.split is not None:
            names: Iterable = read_split(self.split)
        else:
            names = videos_in(self.frames_root) if meta is None else meta
        return describe_each(
            names,
            lambda name: self._describe(self._find(name), meta),
            skip_missing=self.skip_missing,
        )

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
        return [self._read_mask(folder, video, i) for i in frame_ids]

    def clip_info(self, video: dict, frame_ids: Sequence[int]) -> dict:
        """Say which frames are annotated and where objects are listed."""
        info: dict = {}
        if 'objects' in video:
            info['object_categories'] = {
                label: entry.category
                for label, entry in video['objects'].items()
                if entry.category is not None
            }
            stems = [Path(video['frames'][i]).stem for i in frame_ids]
            info['object_frames'] = {
                label: [t for t, s in enumerate(stems) if s in entry.frames]
                for label, entry in video['objects'].items()
            }
        if self.sparse_masks and self.masks_root is not None:
            info['annotated_frames'] = [
                t
                for t, index in enumerate(frame_ids)
                if video['masks'][index] is not None
            ]
        return info

    def _read_mask(
        self, folder: Path, video: dict, index: int
    ) -> UInt8[np.ndarray, 'H W']:
        """Read the mask of one frame; all void where it has none."""
        name = video['masks'][index]
        if name is None:
            other = next(mask for mask in video['masks'] if mask is not None)
            return np.full(image_shape(folder / other), VOID, np.uint8)
        mask = read_mask(folder / name)
        return (mask > 0).astype(np.uint8) if self.binary_masks else mask

    def _find(self, name: str | Path) -> Path:
        """Return the folder or file of a video."""
        if isinstance(name, Path):
            return name
        for suffix in ('', *VIDEO_SUFFIXES):
            path = self.frames_root / (name + suffix)
            if path.exists():
                return path
        raise MissingVideoError(
            f'{self.split or self.meta_path} names video {name}, which is '
            f'not in {self.frames_root}'
        )

    def _describe(
        self, path: Path, meta: dict[str, dict[int, VosObject]] | None
    ) -> dict:
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
        if meta is not None:
            video['objects'] = self._listed_objects(video, meta)
        if self.masks_root is not None:
            match = sparse_masks if self.sparse_masks else matching_masks
            video['masks'] = match(self.masks_root / name, video)
        return video

    def _listed_objects(
        self, video: dict, meta: dict[str, dict[int, VosObject]]
    ) -> dict[int, VosObject]:
        """Return the objects of a video; their frames must be there."""
        name = video['video_id']
        if name not in meta:
            raise ValueError(f'{self.meta_path} lists no video {name}')
        stems = {Path(frame).stem for frame in video.get('frames', ())}
        for label, entry in meta[name].items():
            for frame in entry.frames:
                if frame not in stems:
                    raise ValueError(
                        f'{self.meta_path} lists object {label} of video '
                        f'{name} in frame {frame}, which is not in '
                        f'{video["path"]}'
                    )
        return meta[name]


def read_split(path: Path) -> list[str]:
    """Read the names of videos, each once, in order.

    Args:
        path: One name per line, or the paths of a frame and its mask, whose
            folder is the name.

    Raises:
        ValueError: If the file is missing or names nothing.
    """
    if not path.is_file():
        raise ValueError(f'split file {path} not found')
    names: dict[str, None] = {}
    for line in path.read_text(encoding='utf-8-sig').splitlines():
        if line.strip():
            first = line.split()[0]
            is_path = '/' in first
            names[Path(first).parent.name if is_path else line.strip()] = None
    if not names:
        raise ValueError(f'split file {path} names no video')
    return list(names)
