"""The one progress bar of a command."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmengine.utils import ProgressBar

_STEPS = 20  # in a log file


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[int], None]]:
    """Draw a bar on standard error while work is done.

    Where that is no terminal but a file, the bar moves 20 times at most.

    Args:
        total: Number of steps.

    Yields:
        A function to be told how many steps were done since the last call.
    """
    bar = ProgressBar(total, file=sys.stderr)
    stride = 1 if sys.stderr.isatty() else max(total // _STEPS, 1)
    waiting = 0

    def advance(steps: int) -> None:
        nonlocal waiting
        waiting += steps
        if waiting >= stride or bar.completed + waiting >= total:
            bar.update(waiting)
            waiting = 0

    try:
        yield advance
    finally:
        sys.stderr.write('\n')
