"""Data sets, transforms and the geometry between disk and network."""

from slotkd.datasets.moving_shapes import (
    MovingShapes,
    ShapeScene,
    draw_moving_shapes,
)
from slotkd.datasets.transforms import PackVideoInputs

__all__ = [
    'MovingShapes',
    'PackVideoInputs',
    'ShapeScene',
    'draw_moving_shapes',
]
