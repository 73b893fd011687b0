"""Annotated tracks of a batch, built from the samples of its frames."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor

from slotkd.structures import TrackTargets


def track_targets(
    samples: Sequence[Any],
    size: Sequence[int],
    device: torch.device | str | None = None,
) -> TrackTargets:
    """Join the instances of each clip's frames to tracks by identity.

    Args:
        samples: For each clip the samples of its frames, in the manner of
            mmdet: ``gt_instances`` with ``labels``, ``instances_ids`` and
            ``masks`` (bitmaps). They are not changed.
        size: Height and width of the model's input; smaller masks lie at its
            upper left, as padded frames do.
        device: Where the result goes.

    Raises:
        ValueError: If a track changes its class, an identity occurs twice in
            a frame, or masks are larger than the input.
    """
    clips = [
        _read_clip(list(frames), clip) for clip, frames in enumerate(samples)
    ]
    most = max((len(tracks) for tracks, _ in clips), default=0)
    length = max((count for _, count in clips), default=0)
    labels = torch.full((len(clips), most), -1)
    ids = torch.full((len(clips), most, length), -1)
    masks = torch.zeros(len(clips), most, length, *size, dtype=torch.bool)
    for clip, (tracks, _) in enumerate(clips):
        for place, (name, (label, found)) in enumerate(tracks.items()):
            labels[clip, place] = label
            for t, bitmap in found.items():
                height, width = bitmap.shape
                if height > size[0] or width > size[1]:
                    raise ValueError(
                        f'clip {clip}, frame {t}: a mask has size '
                        f'{(height, width)}, the input {tuple(size)}'
                    )
                ids[clip, place, t] = name
                masks[clip, place, t, :height, :width] = torch.from_numpy(
                    bitmap
                )
    return TrackTargets(
        labels=labels.to(device), masks=masks.to(device), ids=ids.to(device)
    )


Tracks = dict[int, tuple[int, dict[int, np.ndarray]]]


def _read_clip(frames: list[Any], clip: int) -> tuple[Tracks, int]:
    """Return label and masks by frame of each identity, ids ascending."""
    tracks: Tracks = {}
    for t, frame in enumerate(frames):
        instances = frame.gt_instances
        bitmaps = np.asarray(instances.masks.masks, dtype=bool)
        for label, name, bitmap in zip(
            instances.labels.tolist(),
            instances.instances_ids.tolist(),
            bitmaps,
            strict=True,
        ):
            known, found = tracks.setdefault(name, (label, {}))
            if known != label or t in found:
                problem = (
                    'occurs twice'
                    if t in found
                    else (f'has class {label}, before it was {known}')
                )
                raise ValueError(
                    f'clip {clip}, frame {t}: instance {name} {problem}'
                )
            found[t] = bitmap
    return dict(sorted(tracks.items())), len(frames)


def key_frames(
    samples: Sequence[Any], length: int, device: torch.device | None = None
) -> Integer[Tensor, 'B F']:
    """Return the frames of each clip that a student sees.

    Args:
        samples: One for each clip; their metainfo ``key_frames_inds``, which
            :class:`slotkd.datasets.ClipFrameSample` marks, names them.
        length: Frames of a clip; all are taken where nothing is marked.
        device: Where the result goes.

    Raises:
        ValueError: If clips mark different numbers of frames.
    """
    marked = [
        list(sample.get('key_frames_inds', range(length)))
        for sample in samples
    ]
    counts = {len(frames) for frames in marked}
    if len(counts) > 1:
        raise ValueError(
            'clips of one batch need one number of key frames, got '
            f'{sorted(counts)}'
        )
    return torch.tensor(marked, dtype=torch.long, device=device)


def has_tracks(samples: Sequence[Any] | None) -> bool:
    """Tell whether the frames of samples carry annotated masks."""
    return samples is not None and all(
        'gt_instances' in frame and 'masks' in frame.gt_instances
        for sample in samples
        for frame in sample
    )
