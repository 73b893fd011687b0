"""A user's own package: registers its data set with mmsegmentation."""

from my_shapes.dataset import ShapesDataset

__all__ = ['ShapesDataset']
