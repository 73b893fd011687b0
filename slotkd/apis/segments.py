"""Parts of a segmented video, and what is counted over all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import UInt8

UNSEEN = 255


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Consecutive frames of a video and the slot of each pixel.

    Args:
        names: Names of the frames.
        frames: The frames as they were read, RGB.
        masks: Slot indices, or labels of objects, at the size of the frames;
            255 where the test pipeline cropped the frame.
        network_size: Height and width of what the network saw.
        seconds: Time for transforms, network and masks, without reading.
    """

    names: list[str]
    frames: UInt8[np.ndarray, 'T H W 3']
    masks: UInt8[np.ndarray, 'T H W']
    network_size: tuple[int, int]
    seconds: float


@dataclass
class Tally:
    """What is counted while a video goes by.

    Args:
        num_slots: Number of slots.
        frames: Frames so far.
        seconds: Time for transforms, network and masks.
        size: Height and width of the frames.
        network_size: Height and width of what the network saw.
        pixels: Pixels of each label.
    """

    num_slots: int
    frames: int = 0
    seconds: float = 0.0
    size: tuple[int, int] = (0, 0)
    network_size: tuple[int, int] = (0, 0)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, int))

    def add(self, segment: Segment) -> None:
        """Count the pixels of a segment."""
        self.frames += len(segment.names)
        self.seconds += segment.seconds
        self.size = segment.masks.shape[1:]
        self.network_size = segment.network_size
        self.pixels += np.bincount(segment.masks.ravel(), minlength=256)

    def as_dict(self) -> dict[str, Any]:
        """Return sizes, shares of the slots and speed."""
        shares = self.pixels / self.pixels.sum()
        return dict(
            frames=self.frames,
            size=list(self.size),
            network_size=list(self.network_size),
            num_slots=self.num_slots,
            pixel_share=[float(s) for s in shares[: self.num_slots]],
            unseen_share=float(shares[UNSEEN]),
            seconds=self.seconds,
            frames_per_s=self.frames / self.seconds,
        )


@dataclass
class VosTally:
    """What is counted while a video goes by.

    Args:
        frames: Frames so far.
        seconds: Time for transforms, network and masks.
        size: Height and width of the frames.
        network_size: Height and width of what the network saw.
        pixels: Pixels of each label.
    """

    frames: int = 0
    seconds: float = 0.0
    size: tuple[int, int] = (0, 0)
    network_size: tuple[int, int] = (0, 0)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, int))

    def add(self, segment: Segment) -> None:
        """Count the pixels of a frame."""
        self.frames += len(segment.names)
        self.seconds += segment.seconds
        self.size = segment.masks.shape[1:]
        self.network_size = segment.network_size
        self.pixels += np.bincount(segment.masks.ravel(), minlength=256)

    def as_dict(self, objects: Sequence[int]) -> dict[str, Any]:
        """Return sizes, shares of the objects and speed."""
        shares = self.pixels / self.pixels.sum()
        return dict(
            frames=self.frames,
            size=list(self.size),
            network_size=list(self.network_size),
            objects=list(objects),
            pixel_share={str(o): float(shares[o]) for o in objects},
            unseen_share=float(shares[UNSEEN]),
            seconds=self.seconds,
            frames_per_s=self.frames / self.seconds,
        )
