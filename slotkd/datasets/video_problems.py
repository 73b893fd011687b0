"""Stop at the first bad video of a listing, or gather all of them."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from mmengine.logging import print_log

_GATHERED: ContextVar[list[str] | None] = ContextVar('gathered', default=None)
_NAMED = 3  # missing videos in a log line


class MissingVideoError(ValueError):
    """A video that a list names and the disk does not hold."""


@contextmanager
def gathering_problems() -> Iterator[list[str]]:
    """Keep what is wrong with single videos instead of raising it.

    Such videos are then left out. For data sets that list their videos
    through :func:`describe_each`, as ``tools/check_dataset.py`` does.
    """
    problems: list[str] = []
    token = _GATHERED.set(problems)
    try:
        yield problems
    finally:
        _GATHERED.reset(token)


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
    gathered = _GATHERED.get()
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
            elif gathered is not None:
                gathered.append(str(error))
            else:
                raise
    if missing:
        more = '; ...' * (len(missing) > _NAMED)
        print_log(
            f'left out {len(missing)} of {count} videos that are missing: '
            f'{"; ".join(missing[:_NAMED])}{more}',
            logger='current',
            level=logging.WARNING,
        )
        if not videos and gathered is None:
            raise ValueError(f'all {count} videos are missing: {missing[0]}')
    return videos
