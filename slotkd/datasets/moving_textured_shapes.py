"""Videos of moving textured shapes, drawn on the fly without files."""

from collections.abc import Sequence

import numpy as np

from slotkd.datasets.textured_scene import TexturedScene, draw_textured_shapes
from slotkd.datasets.video_dataset import VideoDataset
from slotkd.registry import DATASETS


@DATASETS.register_module()
class MovingTexturedShapes(VideoDataset):
    """Videos of :func:`draw_textured_shapes`, drawn when asked for.

    Video ``index`` depends on ``seed`` and ``index`` alone, so videos are
    the same in each epoch, process and run; training and test sets differ in
    ``seed``. In every fourth one the last object appears later.

    Args:
        num_videos: Length of the data set.
        seed: Which family of videos.
        num_frames: See :class:`TexturedScene`, as are the following.
        size: Side of the frame.
        min_shapes: Fewest shapes in a video.
        max_shapes: Most shapes in a video.
        radius: Range of half sides, share of the frame.
        speed: Range of speeds, share of the frame per frame.
        contrast: Strength of the textures.
        noise: Strength of the pixel noise.
        pipeline: Transforms; ``PackVideoInputs`` at the end.
        clip_len: See :class:`VideoDataset`, as are the following.
        frame_stride: Step between frames.
        clip_mode: How clips are chosen.

    Source:
        Own design.
    """

    METAINFO = dict(name='moving_textured_shapes')

    def __init__(
        self,
        num_videos: int,
        seed: int = 0,
        *,
        num_frames: int = 12,
        size: int = 96,
        min_shapes: int = 1,
        max_shapes: int = 3,
        radius: Sequence[float | int] = (0.12, 0.22),
        speed: Sequence[float | int] = (0.01, 0.0625),
        contrast: float | int = 0.6,
        noise: float | int = 0.02,
        pipeline: Sequence = (),
        clip_len: int | None = None,
        frame_stride: int = 1,
        clip_mode: str = 'blocks',
    ) -> None:
        if num_videos < 1 or seed < 0:
            raise ValueError(
                'need num_videos >= 1 and seed >= 0, got num_videos='
                f'{num_videos} and seed={seed}'
            )
        self._last: tuple[int, tuple[np.ndarray, np.ndarray]] | None = None
        self.num_videos = num_videos
        self.seed = seed
        self.scene = TexturedScene(
            num_frames=num_frames,
            size=size,
            min_shapes=min_shapes,
            max_shapes=max_shapes,
            radius=radius,
            speed=speed,
            contrast=contrast,
            noise=noise,
        )
        super().__init__(
            pipeline,
            clip_len=clip_len,
            frame_stride=frame_stride,
            clip_mode=clip_mode,
        )

    def list_videos(self) -> list[dict]:
        """List the videos; nothing is drawn yet."""
        return [
            dict(
                video_id=f'textured{self.seed}_{index:06d}',
                video_length=self.scene.num_frames,
                index=index,
            )
            for index in range(self.num_videos)
        ]

    def read_clip(
        self, video: dict, frame_ids: Sequence[int]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Draw a video and pick its frames."""
        frames, labels = self._draw(video['index'])
        chosen = list(frame_ids)
        return list(frames[chosen]), list(labels[chosen])

    def read_frames(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[np.ndarray]:
        """Draw frames."""
        return self.read_clip(video, frame_ids)[0]

    def read_masks(
        self, video: dict, frame_ids: Sequence[int]
    ) -> list[np.ndarray]:
        """Draw labels."""
        return self.read_clip(video, frame_ids)[1]

    def _draw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw a video; the last one drawn is kept."""
        if self._last is None or self._last[0] != index:
            rng = np.random.default_rng([self.seed, index])
            drawn = draw_textured_shapes(rng, self.scene, late=index % 4 == 3)
            self._last = index, drawn
        return self._last[1]
