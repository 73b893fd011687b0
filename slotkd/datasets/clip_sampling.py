"""Which frames of a video make up a clip."""

import numpy as np

from slotkd.ops.choices import check_choice

CLIP_MODES = ('blocks', 'random', 'all')


def check_clip_options(
    clip_len: int | None, frame_stride: int, clip_mode: str
) -> None:
    """Check what a config says about clips.

    Raises:
        ValueError: If a number is below 1, the mode is unknown, or whole
            videos are to be cut into clips.
    """
    if frame_stride < 1 or (clip_len is not None and clip_len < 1):
        raise ValueError(
            'clip_len and frame_stride must be 1 or more, got clip_len='
            f'{clip_len} and frame_stride={frame_stride}'
        )
    check_choice('clip_mode', clip_mode, CLIP_MODES)


def clip_span(clip_len: int, frame_stride: int) -> int:
    """Return how many frames lie between a clip's ends, both included."""
    return (clip_len - 1) * frame_stride + 1


def block_starts(length: int, clip_len: int, frame_stride: int = 1) -> range:
    """Cut a video into consecutive clips that do not overlap.

    A block is ``clip_len * frame_stride`` frames long and starts at a
    multiple of that; frames left over at the end are dropped.

    Args:
        length: Frames of the video.
        clip_len: Frames of a clip.
        frame_stride: Step between the frames of a clip.

    Returns:
        The first frame of each clip; empty if the video is too short.

    Source:
        Training clips of martius-lab/slotcontrast@17b42b05, for a stride
        of 1.
    """
    last = length - clip_span(clip_len, frame_stride)
    return range(0, last + 1, clip_len * frame_stride)


def draw_start(
    length: int, clip_len: int, *, frame_stride: int, clip_mode: str
) -> int:
    """Draw the first frame of a clip with numpy's global generator.

    Args:
        length: Frames of the video, enough for one clip.
        clip_len: Frames of a clip.
        frame_stride: Step between the frames of a clip.
        clip_mode: ``'blocks'`` draws one of :func:`block_starts`,
            ``'random'`` any frame that leaves room for the clip.
    """
    if clip_mode == 'blocks':
        starts = block_starts(length, clip_len, frame_stride)
        return starts[np.random.randint(len(starts))]
    return np.random.randint(length - clip_span(clip_len, frame_stride) + 1)
