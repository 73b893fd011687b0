"""Enlarge or shrink clips at random, all frames alike."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from slotkd.datasets.spatial_transforms import ResizeVideo
from slotkd.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomScaleVideo(BaseTransform):
    """Resize all frames of a clip by one random factor.

    The factor is drawn once per clip with numpy's global generator, evenly
    on a logarithmic scale.

    Args:
        scale: Smallest and largest factor.
        min_size: The short side is never made shorter, so that a crop of
            this size fits; smaller frames are enlarged to it.
        interpolation: See :class:`ResizeVideo`.

    Source:
        Scale 0.7 to 1.3 of yoxu515/aot-benchmark@04fe7d9. Differs: drawn
        logarithmically.
    """

    def __init__(
        self,
        scale: Sequence[float | int] = (0.7, 1.3),
        *,
        min_size: int = 1,
        interpolation: str = 'bicubic',
    ) -> None:
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] or min_size < 1:
            raise ValueError(
                'RandomScaleVideo needs two rising factors above 0 and '
                f'min_size >= 1, got scale={tuple(scale)} and min_size='
                f'{min_size}'
            )
        self.scale = tuple(scale)
        self.min_size = min_size
        self.interpolation = interpolation

    def draw_factor(self) -> float:
        """Draw the factor."""
        low, high = np.log(self.scale)
        return float(np.exp(np.random.uniform(low, high)))

    def transform(self, results: dict) -> dict:
        """Resize one clip."""
        height, width = results['img'][0].shape[:2]
        factor = max(self.draw_factor(), self.min_size / min(height, width))
        size = [
            max(round(side * factor), self.min_size)
            for side in (height, width)
        ]
        resize = ResizeVideo(size, interpolation=self.interpolation)
        return resize.transform(results)
