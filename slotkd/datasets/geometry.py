"""Where the pixels the network saw lie in the frame on disk."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

Shape = tuple[int, int]
Number = float | int
Box = tuple[Number, Number, Number, Number]


@dataclass(frozen=True, kw_only=True)
class FrameGeometry:
    """How a frame became the network's image: resized, cropped, flipped.

    The image shows the part ``crop_box`` of the resized frame, mirrored if
    ``flip``; it may have been resized once more, for only shares of the box
    count. Every chain of the transforms of this package has this form.

    Args:
        ori_shape: Height and width of the frame on disk.
        resized_shape: Height and width of the whole frame after the first
            resizing.
        crop_box: Left, top, width and height of the part that was kept, in
            pixels of the resized frame; not necessarily whole numbers.
        flip: Whether the image is mirrored left to right.
    """

    ori_shape: Shape
    resized_shape: Shape
    crop_box: Box
    flip: bool = False

    @classmethod
    def from_results(cls, results: Mapping[str, Any]) -> 'FrameGeometry':
        """Read the record of a clip, or of the metainfo of a sample.

        Args:
            results: ``ori_shape``, and ``resized_shape``, ``crop_box`` and
                ``flip`` as far as a transform has written them.
        """
        ori_shape = _pair(results['ori_shape'])
        resized = _pair(results.get('resized_shape', ori_shape))
        box = results.get('crop_box', (0, 0, resized[1], resized[0]))
        return cls(
            ori_shape=ori_shape,
            resized_shape=resized,
            crop_box=tuple(box),
            flip=bool(results.get('flip', False)),
        )

    def as_results(self) -> dict[str, Any]:
        """Return the entries that :meth:`from_results` reads."""
        return dict(
            ori_shape=self.ori_shape,
            resized_shape=self.resized_shape,
            crop_box=self.crop_box,
            flip=self.flip,
        )

    @property
    def is_whole(self) -> bool:
        """Whether the image shows the whole frame."""
        height, width = self.resized_shape
        return self.crop_box == (0, 0, width, height)

    def resize(self, shape: Shape) -> 'FrameGeometry':
        """Return the record after resizing the image to ``shape``."""
        if not self.is_whole:
            return self
        height, width = shape
        return replace(
            self, resized_shape=shape, crop_box=(0, 0, width, height)
        )

    def crop(
        self, box: tuple[int, int, int, int], shape: Shape
    ) -> 'FrameGeometry':
        """Return the record after cropping the image.

        Args:
            box: Left, top, width and height in pixels of the image.
            shape: Height and width of the image before cropping.
        """
        left, top, width, height = box
        if self.flip:
            left = shape[1] - left - width
        x, y, w, h = self.crop_box
        scale_y, scale_x = h / shape[0], w / shape[1]
        part = (
            x + left * scale_x,
            y + top * scale_y,
            width * scale_x,
            height * scale_y,
        )
        return replace(self, crop_box=part)

    def mirror(self) -> 'FrameGeometry':
        """Return the record after mirroring the image left to right."""
        return replace(self, flip=not self.flip)

    def masks_to_original(
        self,
        masks: Integer[Tensor, 'T h w'] | Float[Tensor, 'T K h w'],
        *,
        fill: int = 255,
    ) -> Integer[Tensor, 'T H W']:
        """Bring masks of the image back to the size of the frame on disk.

        Args:
            masks: Labels, looked up at the nearest pixel; or soft maps of
                each slot, interpolated bilinearly straight to the size of
                the frame, whereupon the strongest slot wins. Of any size:
                they cover the image edge to edge.
            fill: Label of pixels the network did not see.

        Returns:
            Labels at ``ori_shape``; of 64 bits for soft maps.
        """
        rows, seen_rows = self._axis(0, masks.shape[-2])
        columns, seen_columns = self._axis(1, masks.shape[-1])
        rows, columns = rows.to(masks.device), columns.to(masks.device)
        if masks.ndim == 3:
            labels = masks[:, rows.floor().long()][..., columns.floor().long()]
        else:
            labels = torch.stack(
                [
                    # argmax over an outer axis is 5x slower
                    _lerp(_lerp(frame, rows, 1), columns, 2).max(0).indices
                    for frame in masks
                ]
            )
        seen = seen_rows[:, None] & seen_columns
        return labels.masked_fill(~seen.to(labels.device), fill)

    def _axis(
        self, axis: int, length: int
    ) -> tuple[Float[Tensor, ' n'], Bool[Tensor, ' n']]:
        """Place the pixels of the frame on an axis of a mask.

        Args:
            axis: 0 for rows, 1 for columns.
            length: Pixels of the mask along the axis.

        Returns:
            The place of each pixel's centre, clamped to [0, length), and
            which of them the image shows.
        """
        ori, resized = self.ori_shape[axis], self.resized_shape[axis]
        start, extent = self.crop_box[1 - axis], self.crop_box[3 - axis]
        centres = torch.arange(ori, dtype=torch.float64) + 0.5
        share = (centres * (resized / ori) - start) / extent
        seen = (share >= 0) & (share < 1)
        if axis == 1 and self.flip:
            share = 1 - share
        return (share * length).clamp(0, length - 1e-6), seen


def _lerp(
    maps: Float[Tensor, 'K _h _w'], place: Float[Tensor, ' n'], dim: int
) -> Tensor:
    """Interpolate linearly along one axis, edges repeated."""
    last = maps.shape[dim] - 1
    index = (place - 0.5).clamp(0, last)
    low = index.floor().long()
    high = (low + 1).clamp(max=last)
    weight = (index - low).to(maps.dtype)
    weight = weight if dim == maps.ndim - 1 else weight[:, None]
    return torch.lerp(
        maps.index_select(dim, low), maps.index_select(dim, high), weight
    )


def _pair(shape: Any) -> Shape:
    height, width = shape[:2]
    return int(height), int(width)
