"""Stop at the first bad video of a listing, or gather all of them."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from mmengine.logging import print_log

_NAMED = 3  # missing videos in a log line


class MissingVideoError(ValueError):
    """A video that a list names and the disk does not hold."""


@dataclass(frozen=True)
class Gathered:
    """What is wrong with the videos of a data set.

    Args:
        problems: What would be an error.
        skipped: What the data set was told to leave out.
    """

    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


_GATHERED: ContextVar[Gathered | None] = ContextVar('gathered', default=None)


@contextmanager
def gathering_problems() -> Iterator[Gathered]:
    """Keep what is wrong with single videos instead of raising it.

    Such videos are then left out. For data sets that list their videos
    through :func:`describe_each` or ask :func:`gather` before they raise, as
    ``tools/check_dataset.py`` needs them.
    """
    gathered = Gathered()
    token = _GATHERED.set(gathered)
    try:
        yield gathered
    finally:
        _GATHERED.reset(token)


def gather(problems: Iterable[str], *, skipped: bool = False) -> bool:
    """Hand problems to :func:`gathering_problems`, if it is under way.

    Args:
        problems: One line each.
        skipped: Whether the data set was told to leave such videos out.

    Returns:
        Whether they were taken; if not, the caller raises or logs them.
    """
    gathered = _GATHERED.get()
    if gathered is None:
        return False
    (gathered.skipped if skipped else gathered.problems).extend(problems)
    return True


def describe_each(
    items: Iterable[Any],
    describe: Callable[[Any], dict],
    *,
    skip_missing: bool = False,
) -> list[dict]:
    """Describe each video of a data set; the first bad one is an error.

    Args:
        items: What the videos are listed by.
        describe: Item to description.
        skip_missing: Leave out videos for which ``describe`` raises
            :class:`MissingVideoError`, and log how many.

    Raises:
        ValueError: What ``describe`` raises, unless it is gathered; or if
            no video is left.
    """
    videos: list[dict] = []
    missing: list[str] = []
    count = 0
    for item in items:
        count += 1
        try:
            videos.append(describe(item))
        except (OSError, ValueError) as error:
            if skip_missing and isinstance(error, MissingVideoError):
                missing.append(str(error))
            elif not gather([str(error)]):
                raise
    if missing and not gather(missing, skipped=True):
        more = '; ...' * (len(missing) > _NAMED)
        print_log(
            f'left out {len(missing)} of {count} videos that are missing: '
            f'{"; ".join(missing[:_NAMED])}{more}',
            logger='current',
            level=logging.WARNING,
        )
    if missing and not videos:
        raise ValueError(f'all {count} videos are missing: {missing[0]}')
    if count and not videos:
        raise ValueError(f'none of {count} videos can be read')
    return videos
