"""Read frames of video files through PyAV."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
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
                found[frame.pts] = _upright(frame)
            if len(found) == len(wanted):
                break
    if len(found) < len(wanted):
        raise ValueError(
            f'video {path} is cut short or damaged: {len(found)} of '
            f'{len(wanted)} frames of the clip can be decoded'
        )
    return [found[time] for time in times]


def iterate_video(path: Path) -> Iterator[UInt8[np.ndarray, 'H W 3']]:
    """Decode all frames of a video in order, one at a time.

    Files in Matroska or WebM do not say how many frames they hold: one that
    was cut between two frames is a shorter video.

    Args:
        path: A video file.

    Yields:
        The frames in RGB.

    Raises:
        ValueError: If the file is missing, broken or cut short, or holds no
            frame.
    """
    packets = frames = 0
    with _opened(path) as (container, stream):
        for packet in container.demux(stream):
            packets += packet.size > 0
            for frame in packet.decode():
                yield _upright(frame)
                frames += 1
        expected = stream.frames or packets
    if packets < expected or frames == 0:
        raise ValueError(
            f'video {path} is cut short or damaged: {packets} of {expected} '
            f'packets are there, {frames} frames can be decoded'
        )


def video_rate(path: Path) -> Fraction | None:
    """Return the mean frames per second, None where the file has none.

    Raises:
        ValueError: If the file is missing, broken or no video.
    """
    with _opened(path) as (_, stream):
        rate = stream.average_rate
        return Fraction(rate.numerator, rate.denominator) if rate else None


def _upright(frame: av.VideoFrame) -> UInt8[np.ndarray, 'H W 3']:
    """Convert to RGB, turned as players show it; phones turn by metadata."""
    image = frame.to_ndarray(format='rgb24')
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))


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
