"""Names of shards: brace ranges and wild cards."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from slotkd.datasets.frame_files import natural_key

_RANGE = re.compile(r'\{(\d+)\.\.(\d+)\}')


def expand_ranges(pattern: str) -> Iterator[str]:
    """Yield the names that ``{000000..000304}`` stands for, in order.

    Args:
        pattern: Name with any number of ranges; the first number has as many
            digits as all have.

    Raises:
        ValueError: If a range runs backwards.
    """
    match = _RANGE.search(pattern)
    if match is None:
        yield pattern
        return
    first, last = match.groups()
    if int(last) < int(first):
        raise ValueError(f'range {match[0]} of {pattern} runs backwards')
    for number in range(int(first), int(last) + 1):
        name = f'{number:0{len(first)}d}'
        yield from expand_ranges(
            pattern[: match.start()] + name + pattern[match.end() :]
        )


def list_shards(root: Path, patterns: Sequence[str]) -> list[str]:
    """List the shards that patterns name below a folder.

    A name out of a range is listed whether the file is there or not; a wild
    card lists the files there are, numbers in counting order.

    Args:
        root: The folder.
        patterns: Names with brace ranges, wild cards, or neither.

    Returns:
        Paths below ``root``, each once, in the order of the patterns.

    Raises:
        ValueError: If the folder is missing or a wild card matches nothing.
    """
    if not root.is_dir():
        raise ValueError(f'folder of shards {root} not found')
    names: dict[str, None] = {}
    for pattern in patterns:
        for name in expand_ranges(pattern):
            names.update(dict.fromkeys(_matching(root, name)))
    return list(names)


def _matching(root: Path, name: str) -> list[str]:
    if not any(mark in name for mark in '*?['):
        return [name]
    found = sorted(
        (path for path in root.glob(name) if path.is_file()), key=natural_key
    )
    if not found:
        raise ValueError(f'no shard in {root} matches {name}')
    return [path.relative_to(root).as_posix() for path in found]
