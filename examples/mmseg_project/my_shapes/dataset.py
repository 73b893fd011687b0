"""The data set of the example."""

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


@DATASETS.register_module()
class ShapesDataset(BaseSegDataset):
    """Frames of a square, a disc and a triangle that move.

    ``<split>/frames/<video>/*.png`` beside ``<split>/labels``, as
    ``draw_data.py`` writes them.
    """

    METAINFO = dict(
        classes=('ground', 'square', 'disc', 'triangle'),
        palette=[[60, 60, 60], [220, 60, 60], [60, 180, 75], [60, 100, 230]],
    )

    def __init__(self, data_prefix=None, **kwargs):
        super().__init__(
            img_suffix='.png',
            seg_map_suffix='.png',
            data_prefix=data_prefix
            or dict(img_path='frames', seg_map_path='labels'),
            **kwargs,
        )
