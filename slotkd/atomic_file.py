"""Files that are whole or absent, whatever happens while they are written."""

import os
import uuid
from pathlib import Path


def write_atomically(data: bytes, path: str | Path) -> None:
    """Write a whole file or nothing.

    The bytes go to a file beside it that ends in ``.tmp``, and to the disk,
    before the file takes its name; until then an older file of that name
    stays as it was. Processes may write one file at the same time: the last
    one wins.

    Args:
        data: Content of the file.
        path: Its place; missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.{uuid.uuid4().hex[:8]}.tmp')
    try:
        with part.open('xb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
