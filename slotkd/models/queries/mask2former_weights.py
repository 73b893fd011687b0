"""Load Mask2Former's weights of mmdet into the models of this package."""

import logging

from mmengine.logging import print_log
from torch import nn

from slotkd.models.backbones import (
    check_weights,
    find_tensors,
    read_checkpoint,
)

# The head's name in mmdet's image and video models.
HEADS = ('panoptic_head.', 'track_head.')
# Made anew where they do not fit: other classes, other queries.
FRESH = ('cls_embed.', 'query_embed.', 'query_feat.')
# What mmdet's models do not have.
ADDED = 'reid.'


def load_mask2former(model: nn.Module, checkpoint: str, *, head: str) -> None:
    """Load backbone and head from a file of mmdet or of this package.

    The head may come from mmdet's image or video model. The class layer and
    the learnt queries keep their initial values where the file has other
    numbers of classes or queries, and so does the embedding for association,
    which mmdet's models do not have; the log says which. Everything else must
    fit.

    Args:
        model: The model.
        checkpoint: Path or URL.
        head: Name of the head in ``model``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If other weights are missing, unknown or misshapen.
    """
    weights = {}
    for name, value in find_tensors(
        read_checkpoint(checkpoint, trust=True)
    ).items():
        name = name.removeprefix('student.')
        for theirs in HEADS:
            if name.startswith(theirs):
                name = f'{head}.{name.removeprefix(theirs)}'
        weights[name] = value
    own = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith('losses.')
    }
    kept = {
        name
        for name, value in own.items()
        if name.startswith(tuple(f'{head}.{part}' for part in FRESH))
        and name in weights
        and weights[name].shape != value.shape
    }
    if not any(name.startswith(ADDED) for name in weights):
        kept |= {name for name in own if name.startswith(ADDED)}
    weights = {
        name: value
        for name, value in weights.items()
        if name not in kept
        and not name.startswith(('losses.', 'distill_losses.'))
    }
    check_weights(
        own, weights, optional=frozenset(kept), source=str(checkpoint)
    )
    model.load_state_dict(weights, strict=False)
    if kept:
        print_log(
            f'{checkpoint} does not have, or not in this shape: '
            f'{", ".join(sorted(kept))}; they start anew',
            logger='current',
            level=logging.WARNING,
        )
