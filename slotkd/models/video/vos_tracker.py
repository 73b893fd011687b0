"""Follow objects through one video, frame by frame."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional as F

from slotkd.models.propagation import PropagatedFrame
from slotkd.ops.aligned_resize import aligned_size, resize_aligned
from slotkd.ops.soft_aggregation import aggregate_groups
from slotkd.structures import VosState

VOID = 255

Shape = tuple[int, int]
Labels = Integer[Tensor, 'H W']


@dataclass(frozen=True, kw_only=True)
class TrackedFrame:
    """What is known of a frame.

    Args:
        probs: Probability of background and objects in each pixel of the
            image; pixels in which objects were given have them for certain.
        ids: Label of each channel; the first is 0, the background.
    """

    probs: Float[Tensor, 'V H W']
    ids: tuple[int, ...]

    @property
    def labels(self) -> Labels:
        """Object of each pixel of the image."""
        return self.at(self.probs)

    def at(self, probs: Float[Tensor, 'V _H _W']) -> Integer[Tensor, '_H _W']:
        """Return the object of each pixel of resized probabilities."""
        table = torch.tensor(self.ids, device=probs.device)
        return table[probs.max(dim=0).indices]


@dataclass
class _Group:
    """As many objects as the identity bank holds, followed together.

    Args:
        state: What was propagated; None before the first mask.
        count: Objects in the group.
    """

    state: VosState | None = None
    count: int = 0


class VosTracker:
    """Follow objects through one video of any length.

    Objects are given by masks, at the first frame or later, with any labels
    from 1 to 254. More objects than the identity bank holds are followed in
    several groups, which share the backbone; each pixel goes to the
    likeliest object of all. Memory does not grow with the number of frames.
    No frame depends on a later one.

    Args:
        model: A :class:`slotkd.models.video.VosModel` in eval mode.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.ids = [0]
        self.time = -1
        self._groups: list[_Group] = []

    @torch.no_grad()
    def step(
        self,
        image: Float[Tensor, '3 H W'],
        given: Labels | None = None,
    ) -> TrackedFrame:
        """Take the next frame.

        Args:
            image: Normalised, all of one size.
            given: Masks of objects. Those of objects that are already
                followed are not read; new objects take their pixels, from
                others too. 0 and 255 give nothing.

        Returns:
            Background alone, as long as no object was given.
        """
        self.time += 1
        shape = (image.shape[1], image.shape[2])
        new = [] if given is None else new_labels(given, self.ids)
        if not self._groups and not new:
            return TrackedFrame(probs=image.new_ones(1, *shape), ids=(0,))
        size = aligned_size(shape)
        (encoded,) = self.model.encode_clip(image[None, None], size)
        frames = [
            self.model.propagator.step(encoded.tokens, group.state)
            for group in self._groups
        ]
        logits = [
            self._decode(group, frame, encoded)
            for group, frame in zip(self._groups, frames, strict=True)
        ]
        probs = _join_groups(logits, shape, image)
        written = _join_groups(logits, size, image).max(dim=0).indices
        if given is not None and new:
            probs = _give(probs, given, new)
            channels = range(len(self.ids), len(self.ids) + len(new))
            given = nearest_labels(given, size)
            for label, channel in zip(new, channels, strict=True):
                written = written.masked_fill(given == label, channel)
            self._admit(new)
        self._remember(written, frames, encoded)
        return TrackedFrame(probs=probs, ids=tuple(self.ids))

    def _decode(
        self, group: _Group, frame: PropagatedFrame, encoded: Any
    ) -> Float[Tensor, '_ h4 w4']:
        """Return the logits of background and objects of a group."""
        count = torch.tensor([group.count], device=frame.streams.device)
        logits = self.model.decode(frame, encoded, count)
        return logits[0, : group.count + 1]

    def _admit(self, new: list[int]) -> None:
        """Give new objects a place in the groups."""
        self.ids += new
        while len(self._groups) * self.model.num_objects < len(self.ids) - 1:
            self._groups.append(_Group())

    def _remember(
        self, channels: Labels, frames: list[PropagatedFrame], encoded: Any
    ) -> None:
        """Write the frame to the memory of each group.

        A group that got new objects keeps the frame as one more reference.
        """
        propagator, most = self.model.propagator, self.model.num_objects
        size = (channels.shape[0], channels.shape[1])
        for g, group in enumerate(self._groups):
            local = channels - g * most
            local = local.where((local >= 1) & (local <= most), 0)
            tokens = self.model.embed(local[None], size)
            count = min(len(self.ids) - 1 - g * most, most)
            if group.state is not None and count == group.count:
                group.state = propagator.write(group.state, frames[g], tokens)
                continue
            _, started = propagator.start(
                encoded.tokens, encoded.grid, tokens, self.time
            )
            group.state = (
                started
                if group.state is None
                else propagator.add_reference(group.state, started)
            )
            group.count = count


def follow_masks(
    model: Any,
    clip: Float[Tensor, 'T 3 H W'],
    masks: Integer[Tensor, 'T _ _'],
    *,
    with_late_objects: bool = False,
) -> Integer[Tensor, 'T _ _']:
    """Follow the objects of the first mask through a video.

    Args:
        model: A :class:`slotkd.models.video.VosModel`.
        clip: Normalised frames.
        masks: Labels of each frame, of any size; 255 void. Of frames after
            the first nothing is read, but for the mask of an object in the
            first frame that has one, if ``with_late_objects``. Objects too
            small to be seen at the clip's size are not followed.
        with_late_objects: Take over objects that appear later.

    Returns:
        Labels at the size of the masks.
    """
    tracker = VosTracker(model)
    shape = (clip.shape[2], clip.shape[3])
    size = (masks.shape[1], masks.shape[2])
    offered: list[int] = []
    followed = []
    for t, (image, mask) in enumerate(zip(clip, masks, strict=True)):
        new = new_labels(mask, offered) if t == 0 or with_late_objects else []
        offered += new
        given = mask * torch.isin(mask, mask.new_tensor(new))
        seen = nearest_labels(given, shape) if new else None
        frame = tracker.step(image, seen)
        labels = frame.at(_resize(frame.probs, size))
        followed.append(torch.where(given > 0, given, labels))
    return torch.stack(followed)
    return torch.stack(followed)


def new_labels(masks: Labels, known: Collection[int]) -> list[int]:
    """Return the objects of a mask that are not known yet, in order."""
    return [
        label
        for label in masks.unique().tolist()
        if label not in known and label not in (0, VOID)
    ]


def nearest_labels(
    masks: Labels, size: Shape
) -> Integer[Tensor, '{size[0]} {size[1]}']:
    """Resize labels by taking the pixel under each new pixel's centre."""
    if tuple(masks.shape) == tuple(size):
        return masks
    maps = masks[None, None].double()
    return F.interpolate(maps, size, mode='nearest-exact')[0, 0].long()


def _resize(probs: Float[Tensor, 'V H W'], size: Shape) -> Tensor:
    if tuple(probs.shape[1:]) == tuple(size):
        return probs
    return F.interpolate(probs[None], size, mode='bilinear')[0]


def _join_groups(
    logits: list[Float[Tensor, '_ h4 w4']], size: Shape, like: Tensor
) -> Float[Tensor, 'V {size[0]} {size[1]}']:
    """Return probabilities of all objects; without any, the background's."""
    if not logits:
        return like.new_ones(1, *size)
    return aggregate_groups(
        [resize_aligned(maps[None], size)[0].softmax(dim=0) for maps in logits]
    )


def _give(
    probs: Float[Tensor, 'V H W'], given: Labels, new: list[int]
) -> Float[Tensor, '_ H W']:
    """Append the channels of new objects, certain in their pixels."""
    masks = torch.stack([given == label for label in new])
    kept = probs.masked_fill(masks.any(dim=0), 0)
    return torch.cat([kept, masks.to(probs)])
