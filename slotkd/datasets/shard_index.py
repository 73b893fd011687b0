"""What shards hold, found out once and kept in an index beside them."""

import json
import logging
import time
import zlib
from collections import ChainMap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mmengine.logging import print_log

from slotkd.atomic_file import write_atomically

VERSION = 1
_STORE_EVERY = 60.0  # seconds of scanning


@dataclass(frozen=True, kw_only=True)
class ShardContent:
    """What one shard holds.

    Args:
        videos: For each video where its parts lie; of JSON's types.
        problem: What keeps the rest of the shard from being read, as in "is
            missing".
    """

    videos: list[dict]
    problem: str | None = None


def index_shards(
    root: Path,
    names: Sequence[str],
    scan: Callable[[Path], ShardContent],
    *,
    kind: str,
    patterns: Sequence[str],
    index_dir: Path | None = None,
) -> dict[str, ShardContent]:
    """Return what shards hold, reading only those that the index lacks.

    The index is one file for each list of patterns. It lies in ``root``, or
    in ``index_dir`` where ``root`` cannot be written to. A shard whose size
    or time of change differs from the index is read anew. Several processes
    may build an index at the same time; each writes a whole one.

    Args:
        root: Folder of the shards.
        names: Shards below ``root``.
        scan: Reads one shard.
        kind: Kind of shards, a part of the index's name.
        patterns: What the names were listed by.
        index_dir: Second place for the index.

    Returns:
        Content of each shard, in the order of ``names``.
    """
    places = index_places(root, kind, patterns, index_dir)
    known = _load(places)
    entries: dict[str, dict] = {}
    start = stored = time.monotonic()
    scanned = 0
    for name in names:
        stamp = _stamp(root / name)
        entry = _valid_entry(known, name, stamp)
        if entry is None:
            entry = dict(stamp=stamp, **_content(root / name, stamp, scan))
            scanned += stamp is not None
        entries[name] = entry
        if scanned and time.monotonic() - stored > _STORE_EVERY:
            _store(dict(ChainMap(entries, *known)), places)
            stored = time.monotonic()
    if scanned:
        print_log(
            f'indexed {scanned} of {len(names)} shards in {root} within '
            f'{time.monotonic() - start:.1f} s',
            logger='current',
        )
        _store(entries, places)
    return {
        name: ShardContent(videos=entry['videos'], problem=entry['problem'])
        for name, entry in entries.items()
    }


def index_places(
    root: Path, kind: str, patterns: Sequence[str], index_dir: Path | None
) -> list[Path]:
    """Return the files that an index may be kept in, the first choice first.

    Args:
        root: Folder of the shards.
        kind: Kind of shards.
        patterns: What the shards were listed by.
        index_dir: Second place; indices of several folders may share it.
    """
    code = zlib.crc32('\n'.join(patterns).encode())
    places = [root / f'slotkd_index_{kind}_{code:08x}.json']
    if index_dir is not None:
        code = zlib.crc32(str(root.resolve()).encode(), code)
        places.append(index_dir / f'slotkd_index_{kind}_{code:08x}.json')
    return places


def _stamp(path: Path) -> list[int] | None:
    """Return size and time of change, None of a missing file."""
    if not path.is_file():
        return None
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _content(
    path: Path, stamp: list[int] | None, scan: Callable[[Path], ShardContent]
) -> dict:
    if stamp is None:
        return asdict(ShardContent(videos=[], problem='is missing'))
    return asdict(scan(path))


def _valid_entry(
    indices: Sequence[dict], name: str, stamp: list[int] | None
) -> dict | None:
    """Return what an index says about a shard as it is now."""
    for entries in indices:
        if name in entries and entries[name]['stamp'] == stamp:
            return entries[name]
    return None


def _load(places: Sequence[Path]) -> list[dict[str, dict]]:
    """Return the entries of each index that can be used."""
    found = []
    for path in places:
        try:
            index = json.loads(path.read_bytes())
            if index['version'] == VERSION:
                found.append(dict(index['shards']))
                continue
            reason = f'version {index["version"]}, not {VERSION}'
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f'{type(error).__name__}: {error}'
        print_log(
            f'index {path} cannot be used ({reason}); building it anew',
            logger='current',
            level=logging.WARNING,
        )
    return found


def _store(entries: dict[str, dict], places: Sequence[Path]) -> None:
    """Write the index to the first place that takes it."""
    index = dict(version=VERSION, shards=entries)
    data = json.dumps(index, separators=(',', ':')).encode()
    reasons = []
    for path in places:
        try:
            write_atomically(data, path)
            return
        except OSError as error:
            reasons.append(str(error))
    print_log(
        f'the index cannot be kept ({"; ".join(reasons)}) and will be built '
        'again next time; index_dir names another folder for it',
        logger='current',
        level=logging.WARNING,
    )
