"""Which identity channel stands for which object."""

import torch
from jaxtyping import Integer, Shaped
from torch import Tensor

NUM_LABELS = 256


def draw_identities(
    batch: int, num_objects: int, device: torch.device
) -> Integer[Tensor, 'B V']:
    """Give each object of each clip a random channel of its own.

    The background keeps channel 0.

    Args:
        batch: Clips.
        num_objects: Channels for objects, V - 1.
        device: Where the result goes.

    Returns:
        The channel of label v of clip b.

    Source:
        Yang et al., AOT, NeurIPS 2021, arXiv:2106.02638, section 3.2.
    """
    order = torch.rand(batch, num_objects, device=device).argsort(dim=1)
    background = order.new_zeros(batch, 1)
    return torch.cat([background, order + 1], dim=1)


def to_channels(
    labels: Integer[Tensor, 'B H W'], identities: Integer[Tensor, 'B V']
) -> Integer[Tensor, 'B H W']:
    """Replace labels by their channels; labels from V on stay as they are.

    Args:
        labels: 0 to 255.
        identities: Channel of each label.
    """
    table = torch.arange(NUM_LABELS, device=labels.device)
    table = table.expand(len(labels), -1).clone()
    table[:, : identities.shape[1]] = identities
    return table.gather(1, labels.flatten(1).long()).view_as(labels)


def to_labels(
    maps: Shaped[Tensor, 'B V h w'], identities: Integer[Tensor, 'B V']
) -> Shaped[Tensor, 'B V h w']:
    """Put the maps of channels into the order of labels.

    Args:
        maps: One map for each channel.
        identities: Channel of each label.
    """
    return maps.gather(1, identities[..., None, None].expand_as(maps))
