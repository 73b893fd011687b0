"""Tokens of a few frames as one group: unit rows, labels, sums by label."""

from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional as F

from slotkd.ops.masks import hard_labels
from slotkd.ops.precision import at_least_fp32

# SRL scales each contrast by temperature / BASE_TEMPERATURE.
BASE_TEMPERATURE = 0.07


def unit_groups(
    tokens: Float[Tensor, 'B T N E'], group_frames: int | None
) -> Float[Tensor, 'G M E']:
    """Rows of length 1, the frames of a group in one list."""
    frames = group_frames or tokens.shape[1]
    if tokens.shape[1] % frames:
        raise ValueError(
            f'group_frames={frames} does not divide the {tokens.shape[1]} '
            'frames of the clip'
        )
    unit = F.normalize(at_least_fp32(tokens), dim=3)
    return unit.unflatten(1, (-1, frames)).flatten(2, 3).flatten(0, 1)


def group_labels(
    maps: Float[Tensor, 'B T K N'], group_frames: int | None
) -> Integer[Tensor, 'G M']:
    """Argmax over slots, the frames of a group in one list."""
    labels = hard_labels(maps.detach())
    frames = group_frames or labels.shape[1]
    return labels.unflatten(1, (-1, frames)).flatten(2).flatten(0, 1)


def label_sums(
    keys: Float[Tensor, 'G M E'],
    labels: Integer[Tensor, 'G M'],
    num_labels: int,
) -> tuple[Float[Tensor, 'G M E'], Integer[Tensor, 'G M']]:
    """Sum and number of the tokens that share each token's label."""
    member = F.one_hot(labels, num_labels)
    sums = member.to(keys).transpose(1, 2) @ keys
    index = labels[:, :, None].expand_as(keys)
    counts = member.sum(dim=1).gather(1, labels)
    return sums.gather(1, index), counts
