"""The bridge from slots to propagation: a slot model proposes objects."""

import numpy as np
import torch
from jaxtyping import UInt8

from slotkd.apis.frame_sources import open_source
from slotkd.apis.inferencer import SlotInferencer
from slotkd.ops.slot_objects import slots_to_objects


class SlotProposer:
    """Propose the objects of a frame, without any annotation.

    Args:
        inferencer: Of a slot model.
        max_objects: See :func:`slotkd.ops.slot_objects.slots_to_objects`.
        min_share: See there.
    """

    def __init__(
        self,
        inferencer: SlotInferencer,
        *,
        max_objects: int = 10,
        min_share: float | int = 0.002,
    ) -> None:
        self.inferencer = inferencer
        self.max_objects = max_objects
        self.min_share = min_share

    def __call__(
        self, frame: UInt8[np.ndarray, 'H W 3']
    ) -> UInt8[np.ndarray, 'H W']:
        """Return the objects of a frame, 0 background.

        Raises:
            ValueError: If there is nothing but background.
        """
        (segment,) = self.inferencer.segment(open_source(frame), 1)
        objects = slots_to_objects(
            torch.from_numpy(segment.masks[0].astype(np.int64)),
            max_objects=self.max_objects,
            min_share=self.min_share,
        )
        return objects.numpy().astype(np.uint8)
