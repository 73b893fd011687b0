"""YTVIS, OVIS and COCO files: videos, tracks and categories, checked."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JsonFile = str | Path


@dataclass(frozen=True, kw_only=True)
class VisVideo:
    """One video of a file.

    Args:
        id: Id in the file.
        length: Number of annotated frames.
        size: Height and width.
        file_names: Images of the frames, below the folder of all videos;
            empty where the file names none.
    """

    id: Any
    length: int
    size: tuple[int, int]
    file_names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VisTrack:
    """One annotated object through a video.

    Args:
        id: Id in the file, from 1.
        video_id: Id of the video.
        category_id: Id of the category, as in the file.
        segmentations: RLE, polygons or None (absent) of each frame.
        is_crowd: Whether it stands for a group that is not to be found.
        areas: Annotated area of each frame, None where absent; None where
            the file has none.
        boxes: Left, top, width and height in each frame, None where absent;
            None where the file has none.
        occlusion: Level of each frame by name (OVIS), None where absent;
            None where the file has none.
    """

    id: int
    video_id: Any
    category_id: Any
    segmentations: Sequence[Any]
    is_crowd: bool = False
    areas: Sequence[float | int | None] | None = None
    boxes: Sequence[Sequence[float | int] | None] | None = None
    occlusion: Sequence[str | None] | None = None


@dataclass(frozen=True, kw_only=True)
class VisAnnotations:
    """What a file holds.

    Args:
        videos: Id to video, ids ascending.
        tracks: Id of a video to its tracks in the order of the file; every
            video has an entry.
        categories: Id to name, ids ascending.
    """

    videos: dict[Any, VisVideo]
    tracks: dict[Any, list[VisTrack]]
    categories: dict[Any, str]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the categories, ids ascending."""
        return tuple(self.categories.values())

    @property
    def labels(self) -> dict[Any, int]:
        """Category id to contiguous label from 0, in the order of ids."""
        return {name: label for label, name in enumerate(self.categories)}


def read_annotations(
    source: dict | JsonFile, *, with_tracks: bool = True
) -> VisAnnotations:
    """Read a YTVIS or OVIS file.

    Args:
        source: The parsed JSON or its path.
        with_tracks: False leaves the annotations unread; official
            validation and test files have none.

    Returns:
        The checked content. Segmentations stay as they are in the file.

    Raises:
        ValueError: If the file is no JSON object, a field is missing, an id
            occurs twice, an annotation id is below 1, a video or category is
            unknown, a track has more or fewer frames than its video, or an
            RLE another size. Names the file, the record and both values.
        OSError: If the file cannot be opened.

    Source:
        The format of youtubevos/cocoapi@f3f9948.
    """
    with errors_naming(source):
        content = load_json(source)
        videos = _read_videos(content)
        categories = _read_categories(content)
        tracks: dict[Any, list[VisTrack]] = {name: [] for name in videos}
        if with_tracks:
            for track in _read_tracks(content, videos, categories):
                tracks[track.video_id].append(track)
    return VisAnnotations(videos=videos, tracks=tracks, categories=categories)


def pick_videos(
    names: Sequence[Any], video_range: Sequence[int | None] | None
) -> list[Any]:
    """Return a slice of the videos.

    Args:
        names: Ids in order.
        video_range: Start and stop as in a Python slice, negative numbers
            count from the end: ``(-300, None)`` are the last 300, ``(None,
            -300)`` all others. None returns all.

    Raises:
        ValueError: If it is no pair, reaches beyond the videos, or leaves
            none: a protocol of 300 videos must not run on fewer.
    """
    if video_range is None:
        return list(names)
    if len(video_range) != 2:
        raise ValueError(
            f'video_range must be start and stop, got {video_range}'
        )
    if any(abs(end) > len(names) for end in video_range if end is not None):
        raise ValueError(
            f'video_range={tuple(video_range)} reaches beyond the '
            f'{len(names)} videos'
        )
    picked = list(names[slice(*video_range)])
    if not picked:
        raise ValueError(
            f'video_range={tuple(video_range)} leaves none of {len(names)} '
            'videos'
        )
    return picked


def coco_as_vis(source: dict | JsonFile) -> dict[str, Any]:
    """Return COCO instances in YTVIS form: an image is a video of one frame.

    Args:
        source: The parsed JSON or its path.

    Raises:
        ValueError: If a field is missing; names the file.
        OSError: If the file cannot be opened.
    """
    with errors_naming(source):
        content = load_json(source)
        result: dict[str, Any] = {
            'videos': [
                _one_frame_video(image) for image in records(content, 'images')
            ],
            'categories': records(content, 'categories'),
        }
        if content.get('annotations') is not None:
            result['annotations'] = [
                _one_frame_track(entry)
                for entry in records(content, 'annotations')
            ]
    return result


@contextmanager
def errors_naming(source: Any) -> Iterator[None]:
    """Put the path of a file, or another name, in front of errors.

    Args:
        source: Path or text; anything else has no name to give.
    """
    try:
        yield
    except ValueError as error:
        if isinstance(source, JsonFile):
            raise ValueError(f'{source}: {error}') from error
        raise


def load_json(source: Any) -> Any:
    """Return parsed JSON; a path is read, anything else passed through."""
    if not isinstance(source, JsonFile):
        return source
    with open(source, encoding='utf-8') as file:
        return json.load(file)


def field(record: dict, name: str, where: str) -> Any:
    """Return a field of a JSON record.

    Raises:
        ValueError: If it is missing; names field and record.
    """
    if name not in record:
        raise ValueError(f'{where} has no field {name!r}')
    return record[name]


def records(content: Any, name: str) -> list[dict]:
    """Return a list of records of a file.

    Raises:
        ValueError: If the content is no object or the field no list.
    """
    if not isinstance(content, dict):
        raise ValueError(
            f'expected a JSON object with {name!r}, got {_kind(content)}'
        )
    entries = field(content, name, 'the truth')
    if not isinstance(entries, list):
        raise ValueError(
            f'{name!r} must be a list, got {_kind(entries)}'
            + ', as in official validation and test files' * (not entries)
        )
    return entries


def _kind(value: Any) -> str:
    return 'null' if value is None else type(value).__name__


def _by_id(entries: dict) -> dict:
    """Sort by id; numbers come before names."""
    order = sorted(entries, key=lambda name: (isinstance(name, str), name))
    return {name: entries[name] for name in order}


def _read_videos(content: Any) -> dict[Any, VisVideo]:
    videos: dict[Any, VisVideo] = {}
    for entry in records(content, 'videos'):
        name = field(entry, 'id', 'a video')
        where = f'video {name!r}'
        if name in videos:
            raise ValueError(f'{where} occurs twice')
        size = field(entry, 'height', where), field(entry, 'width', where)
        files = tuple(entry.get('file_names') or ())
        length = entry.get('length') or len(field(entry, 'file_names', where))
        if files and len(files) != length:
            raise ValueError(
                f'{where} has length {length} and {len(files)} file_names'
            )
        videos[name] = VisVideo(
            id=name, length=length, size=size, file_names=files
        )
    return _by_id(videos)


def _read_categories(content: dict) -> dict[Any, str]:
    categories: dict[Any, str] = {}
    for entry in records(content, 'categories'):
        name = field(entry, 'id', 'a category')
        if name in categories:
            raise ValueError(f'category {name!r} occurs twice')
        categories[name] = str(entry.get('name', name))
    return _by_id(categories)


def _read_tracks(
    content: dict, videos: dict[Any, VisVideo], categories: dict[Any, str]
) -> Iterator[VisTrack]:
    seen: set[int] = set()
    for entry in records(content, 'annotations'):
        name = field(entry, 'id', 'an annotation')
        if not isinstance(name, int) or name < 1:
            raise ValueError(
                f'annotation id must be an integer from 1, got {name!r}'
            )
        if name in seen:
            raise ValueError(f'annotation id {name} occurs twice')
        seen.add(name)
        where = f'annotation {name}'
        video = field(entry, 'video_id', where)
        if video not in videos:
            raise ValueError(f'{where} names unknown video_id {video!r}')
        category = field(entry, 'category_id', where)
        if category not in categories:
            raise ValueError(f'{where} names unknown category_id {category!r}')
        segmentations = field(entry, 'segmentations', where)
        _check_frames(
            segmentations, videos[video], f'{where} (video {video!r})'
        )
        yield VisTrack(
            id=name,
            video_id=video,
            category_id=category,
            segmentations=segmentations,
            is_crowd=bool(entry.get('iscrowd')),
            areas=entry.get('areas'),
            boxes=entry.get('bboxes'),
            occlusion=entry.get('occlusion'),
        )


def _check_frames(
    segmentations: Sequence[Any], video: VisVideo, where: str
) -> None:
    """Compare number and announced size of the masks with the video."""
    if len(segmentations) != video.length:
        raise ValueError(
            f'{where}: {len(segmentations)} segmentations, but the video has '
            f'{video.length} frames'
        )
    for t, segmentation in enumerate(segmentations):
        if isinstance(segmentation, dict):
            size = segmentation.get('size')
            if list(size or ()) != list(video.size):
                raise ValueError(
                    f'{where}: frame {t}: RLE has size {size}, the video has '
                    f'{list(video.size)}'
                )


def _one_frame_video(entry: dict) -> dict[str, Any]:
    where = f'image {field(entry, "id", "an image")!r}'
    return {**entry, 'file_names': [field(entry, 'file_name', where)]}


def _one_frame_track(entry: dict) -> dict[str, Any]:
    """Turn an annotation of COCO into a track of one frame."""
    where = f'annotation {field(entry, "id", "an annotation")!r}'
    area, box = entry.get('area'), entry.get('bbox')
    return {
        **entry,
        'video_id': field(entry, 'image_id', where),
        'segmentations': [field(entry, 'segmentation', where)],
        'areas': None if area is None else [area],
        'bboxes': None if box is None else [box],
    }
