"""ClipFrameSample: frames for a clip teacher, some of them for a student."""

import numpy as np
from jaxtyping import Integer
from mmcv.transforms import BaseTransform

from slotkd.registry import TRANSFORMS


def draw_frames(
    rng: np.random.Generator,
    length: int,
    count: int,
    window: int | None = None,
) -> Integer[np.ndarray, ' T']:
    """Draw ascending frames of a video: an anchor, and others around it.

    Args:
        rng: Source of every random choice.
        length: Frames of the video.
        count: Frames to draw; they repeat only where there are too few.
        window: Most frames between the anchor and another; None draws from
            the whole video.
    """
    anchor = int(rng.integers(length))
    reach = length if window is None else window
    first, last = max(anchor - reach, 0), min(anchor + reach, length - 1)
    around = np.delete(np.arange(first, last + 1), anchor - first)
    rounds = [rng.permutation(around)]
    while sum(map(len, rounds)) < count - 1:
        rounds.append(rng.permutation(np.append(around, anchor)))
    others = np.concatenate(rounds)[: count - 1]
    return np.sort(np.append(others, anchor))


@TRANSFORMS.register_module()
class ClipFrameSample(BaseTransform):
    """Draw the frames of a training clip, in mmdet's form.

    Takes a video of ``mmdet.YouTubeVISDataset`` and returns what mmdet's own
    samplers do: one list over frames for each entry of a frame, and
    ``key_frame_flags``, which mark the student's frames; the others are the
    teacher's alone. Draws come from numpy's global generator.

    Args:
        num_frames: Frames of a clip.
        num_student_frames: How many of them the student sees; None marks
            all.
        window: Most frames between the first one drawn and another; None
            draws from the whole video.

    Raises:
        ValueError: If the numbers do not fit.

    Source:
        Our choice for OOKD; ``window=8`` is sukjunhwang/VITA's.
    """

    def __init__(
        self,
        num_frames: int,
        num_student_frames: int | None = None,
        *,
        window: int | None = None,
    ) -> None:
        marked = (
            num_frames if num_student_frames is None else num_student_frames
        )
        bad_window = window is not None and window < 1
        if not 1 <= marked <= num_frames or bad_window:
            raise ValueError(
                'need 1 <= num_student_frames <= num_frames and window >= 1, '
                f'got {marked}, {num_frames} and {window}'
            )
        self.num_frames = num_frames
        self.num_student_frames = marked
        self.window = window

    def transform(self, results: dict) -> dict:
        """Draw from one video.

        Args:
            results: ``video_id``, ``video_length`` and ``images``, the
                entries of each frame.
        """
        rng = np.random.default_rng(np.random.randint(2**31))
        length = results['video_length']
        picked = draw_frames(rng, length, self.num_frames, self.window)
        frames = [
            dict(
                results['images'][t],
                video_id=results['video_id'],
                video_length=self.num_frames,
                ori_video_length=length,
            )
            for t in picked
        ]
        clip = {key: [frame[key] for frame in frames] for key in frames[0]}
        marked = rng.permutation(self.num_frames)[: self.num_student_frames]
        flags = np.zeros(self.num_frames, dtype=bool)
        flags[marked] = True
        return clip | dict(key_frame_flags=flags.tolist())
