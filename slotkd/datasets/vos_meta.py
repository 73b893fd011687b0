"""The ``meta.json`` of YouTube-VOS: objects, categories, frames."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slotkd.ops.instance_labels import VOID
from slotkd.ops.vis_annotations import errors_naming, field


@dataclass(frozen=True, kw_only=True)
class VosObject:
    """One object of a video.

    Args:
        category: Its category; None where the file has none.
        frames: Names of the frames that show it, without suffix, in order.
    """

    category: str | None
    frames: tuple[str, ...]


def read_vos_meta(path: Path) -> dict[str, dict[int, VosObject]]:
    """Read which object appears where.

    Args:
        path: ``meta.json`` of YouTube-VOS 2018 or 2019.

    Returns:
        Name of a video, ascending, to its objects by label.

    Raises:
        ValueError: If the file is missing or no JSON, a field is missing, or
            a label is none of 1 to 254; names the file and the record.

    Source:
        Format of Xu et al., YouTube-VOS, arXiv:1809.03327.
    """
    if not path.is_file():
        raise ValueError(f'list of objects {path} not found')
    with errors_naming(path):
        content = json.loads(path.read_text(encoding='utf-8'))
        videos = _record(content, 'videos', 'the file')
        return {name: _read_video(videos, name) for name in sorted(videos)}


def _read_video(videos: dict, name: str) -> dict[int, VosObject]:
    where = f'video {name}'
    entries = _record(_record(videos, name, 'videos'), 'objects', where)
    objects = {}
    for label, entry in entries.items():
        if not label.isdecimal() or not 0 < int(label) < VOID:
            raise ValueError(
                f'{where}: object {label!r}; labels are 1 to {VOID - 1}'
            )
        frames = field(entry, 'frames', f'{where}, object {label}')
        if not isinstance(frames, list) or not frames:
            raise ValueError(f'{where}, object {label}: frames are {frames!r}')
        objects[int(label)] = VosObject(
            category=entry.get('category'), frames=tuple(frames)
        )
    return dict(sorted(objects.items()))


def _record(parent: Any, name: str, where: str) -> dict:
    if not isinstance(parent, dict):
        raise ValueError(f'{where}: expected an object, got {parent!r:.40}')
    value = field(parent, name, where)
    if not isinstance(value, dict):
        raise ValueError(
            f'{where}: {name!r} must be an object, got {value!r:.40}'
        )
    return value
