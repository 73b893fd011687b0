"""A data set of moving textured shapes, drawn on the fly without files."""

from collections.abc import Sequence

import numpy as np
from mmengine.dataset import BaseDataset

from slotkd.datasets.shape_scene import ShapeScene, draw_moving_shapes
from slotkd.datasets.transforms import build_transforms
from slotkd.registry import DATASETS


@DATASETS.register_module()
class MovingShapes(BaseDataset):
    """Clips of :func:`draw_moving_shapes`, drawn when asked for.

    Clip ``index`` depends on ``seed`` and ``index`` alone, so clips are the
    same in each epoch, process and run; training and test sets differ in
    ``seed``.

    Args:
        num_videos: Length of the data set.
        seed: Which family of clips.
        num_frames: See :class:`ShapeScene`, as are the following.
        size: Side of the frame, or height and width.
        min_shapes: Fewest shapes in a clip.
        max_shapes: Most shapes in a clip.
        motion: ``'bounce'`` or ``'pass'``.
        radius: Range of half sides, share of the short side.
        speed: Range of speeds, share of the short side per frame.
        texture: Strength of the patterns.
        noise: Strength of the pixel noise.
        pipeline: Transforms; ``PackVideoInputs`` at the end for training.

    Source:
        Own design; the idea of coloured sprites as a first test of slot
        models is common to the field.
    """

    METAINFO = dict(name='moving_shapes')

    def __init__(
        self,
        num_videos: int,
        seed: int = 0,
        *,
        num_frames: int = 6,
        size: int | Sequence[int] = 32,
        min_shapes: int = 2,
        max_shapes: int = 4,
        motion: str = 'bounce',
        radius: Sequence[float | int] = (0.12, 0.22),
        speed: Sequence[float | int] = (0.02, 0.08),
        texture: float | int = 0.3,
        noise: float | int = 0.02,
        pipeline: Sequence = (),
    ) -> None:
        if num_videos < 1 or seed < 0:
            raise ValueError(
                'need num_videos >= 1 and seed >= 0, got num_videos='
                f'{num_videos} and seed={seed}'
            )
        self.num_videos = num_videos
        self.seed = seed
        self.scene = ShapeScene(
            num_frames=num_frames,
            size=size,
            min_shapes=min_shapes,
            max_shapes=max_shapes,
            motion=motion,
            radius=radius,
            speed=speed,
            texture=texture,
            noise=noise,
        )
        super().__init__(
            serialize_data=False, pipeline=build_transforms(pipeline)
        )

    def load_data_list(self) -> list[dict]:
        """List the clips; nothing is drawn yet."""
        return [
            dict(video_id=f'shapes{self.seed}_{index:06d}', clip=index)
            for index in range(self.num_videos)
        ]

    def get_data_info(self, idx: int) -> dict:
        """Draw clip ``idx``."""
        info = super().get_data_info(idx)
        rng = np.random.default_rng([self.seed, info.pop('clip')])
        video, labels = draw_moving_shapes(rng, self.scene)
        return dict(
            info,
            img=list(video),
            gt_seg_map=list(labels),
            seg_fields=['gt_seg_map'],
            frame_ids=list(range(len(video))),
            video_length=len(video),
            ori_shape=self.scene.shape,
            img_shape=self.scene.shape,
        )
