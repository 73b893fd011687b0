"""List the videos of a folder and pair their frames with masks."""

from pathlib import Path

from slotkd.datasets.frame_files import list_images, natural_key
from slotkd.datasets.video_files import VIDEO_SUFFIXES


def videos_in(folder: Path) -> list[Path]:
    """List the videos of a folder; the folder itself if it holds images.

    Args:
        folder: Holds folders of images, video files, or images.

    Raises:
        ValueError: If it holds none of these.
    """
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


def matching_masks(folder: Path, video: dict) -> list[str | None]:
    """List the masks of a video, one for each frame.

    Args:
        folder: Holds the masks.
        video: ``video_id``, ``video_length`` and, of frame folders, the
            names ``frames``.

    Raises:
        ValueError: If the folder is missing, or masks and frames differ in
            number or name.
    """
    masks = _list_masks(folder, video)
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


def sparse_masks(folder: Path, video: dict) -> list[str | None]:
    """List the masks of a video, None for frames without one.

    Masks have the names of their frames; those of video files are numbers
    that count from 0.

    Args:
        folder: Holds the masks.
        video: As in :func:`matching_masks`.

    Raises:
        ValueError: If the folder is missing or empty, or a mask belongs to
            no frame.
    """
    if 'frames' in video:
        frames = [Path(frame).stem for frame in video['frames']]
    else:
        frames = [str(index) for index in range(video['video_length'])]
    names: dict[str, str] = {}
    for mask in _list_masks(folder, video):
        frame = mask.stem
        if 'frames' not in video and frame.isdecimal():
            frame = str(int(frame))
        names[frame] = mask.name
    strange = sorted(names.keys() - set(frames))
    if strange:
        raise ValueError(
            f'mask {folder / names[strange[0]]} belongs to none of the '
            f'{len(frames)} frames of video {video["video_id"]}'
        )
    if not names:
        raise ValueError(f'folder {folder} holds no mask')
    return [names.get(frame) for frame in frames]


def _list_masks(folder: Path, video: dict) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(
            f'video {video["video_id"]} has no folder of masks {folder}'
        )
    return list_images(folder)
