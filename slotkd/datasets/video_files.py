"""Read single frames of video files through PyAV."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

VIDEO_SUFFIXES = ('.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg')


def frame_times(path: Path) -> list[int]:
    """Return the time stamp of each frame in order, without decoding.

    Args:
        path: A video file.

    Raises:
        ValueError: If the file is missing, broken, or holds no frame or
            frames without time stamps.
    """
    with _opened(path) as (container, stream):
        times = [
            packet.pts for packet in container.demux(stream) if packet.size
        ]
    known = sorted(time for time in times if time is not None)
    if not known or len(known) < len(times):
        raise ValueError(
            f'video {path}: {len(known)} of {len(times)} frames have a time '
            'stamp; re-encode it, for example as mp4'
        )
    return known


def read_video_frames(
    path: Path, times: Sequence[int]
) -> list[UInt8[np.ndarray, 'H W 3']]:
    """Decode the frames with the given time stamps, and few others.

    Decoding starts at the key frame before the first of them.

    Args:
        path: A video file.
        times: Values of :func:`frame_times`, rising.

    Returns:
        The frames in RGB.

    Raises:
        ValueError: If the file is broken, or frames are missing.
    """
    found: dict[int, np.ndarray] = {}
    wanted = set(times)
    with _opened(path) as (container, stream):
        container.seek(times[0], stream=stream, backward=True)
        for frame in container.decode(stream):
            if frame.pts in wanted:
                found[frame.pts] = frame.to_ndarray(format='rgb24')
            if len(found) == len(wanted):
                break
    if len(found) < len(wanted):
        raise ValueError(
            f'video {path} is cut short or damaged: {len(found)} of '
            f'{len(wanted)} frames of the clip can be decoded'
        )
    return [found[time] for time in times]


@contextmanager
def _opened(path: Path) -> Iterator[tuple]:
    """Open the first video stream; name the file if anything fails."""
    if not path.is_file():
        raise ValueError(f'video {path} does not exist')
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f'video {path} holds no video stream')
            yield container, container.streams.video[0]
    except av.error.FFmpegError as error:
        raise ValueError(f'video {path} cannot be read: {error}') from error
