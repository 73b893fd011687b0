"""Mask propagation at toy size: records, models, clips."""

import torch

from slotkd.structures import VideoDataSample, VosOutput

VOID = 255


def record(
    *,
    batch: int = 2,
    frames: int = 3,
    objects: int = 2,
    channels: int = 4,
    grid: tuple[int, int] = (3, 4),
    samples: int = 12,
    layers: int = 1,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    **changes,
) -> VosOutput:
    """Return a random record; frame t reads t memory frames."""
    generator = torch.Generator().manual_seed(seed)
    h, w = grid
    h4, w4 = 4 * (h - 1) + 1, 4 * (w - 1) + 1
    size = 4 * (h4 - 1) + 1, 4 * (w4 - 1) + 1

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=dtype)

    def attention(memory):
        logits = 2 * normal(batch, h * w, memory * samples)
        return logits.softmax(-1).unflatten(2, (memory, samples))

    logits = normal(batch, frames, channels, h4, w4)
    logits[:, :, objects + 1 :] = -1e10
    labels = torch.randint(
        objects + 1, (batch, frames, *size), generator=generator
    )
    later = range(1, frames)
    fields = dict(
        logits=logits,
        labels=labels,
        num_objects=torch.full((batch,), objects),
        grid=grid,
        attn=tuple(tuple(attention(t) for t in later) for _ in range(layers)),
        positions=tuple(
            tuple(normal(batch, t, samples, 2).tanh() for t in later)
            for _ in range(layers)
        ),
    )
    return VosOutput(**fields | changes)


def model(
    dim: int = 16, *, num_layers: int = 1, stride: int = 2, **changes
) -> dict:
    """Return the config of a tiny mask propagator of three objects."""
    config = dict(
        type='VosModel',
        backbone=dict(type='ConvPyramid', dims=(8, 8, 8, 16)),
        propagator=dict(
            type='MaskPropagator',
            token_dim=dim,
            num_layers=num_layers,
            gdpm=dict(stride=stride),
            memory=dict(train_gap=1, gap=1),
            radius=1,
            dropout=0.0,
            drop_path=0.0,
        ),
        num_objects=3,
        shuffle_identities=False,
    )
    return config | changes


def color_model(**changes) -> dict:
    """Return the config of a tiny colour propagator."""
    config = dict(
        type='ColorPropagation',
        backbone=dict(
            type='ImageBackbone',
            backbone=dict(type='ConvPyramid', dims=(8, 8, 8, 8)),
            out_index=0,
            frozen=False,
        ),
        dim=8,
        train_radius=2,
        radius=3,
        num_recent=2,
        max_objects=3,
    )
    return config | changes


def clips(
    batch: int = 2, frames: int = 3, size: int = 33
) -> tuple[torch.Tensor, list[VideoDataSample]]:
    """Return normalised clips of two moving squares, and their truth."""
    inputs = 0.1 * torch.randn(batch, frames, 3, size, size)
    samples = []
    for b in range(batch):
        masks = torch.zeros(frames, size, size, dtype=torch.long)
        for t in range(frames):
            masks[t, 4:14, 2 + 2 * t : 14 + 2 * t] = 1
            masks[t, 18 - t : 30 - t, 16:30] = 2
            inputs[b, t, 0] += masks[t] == 1
            inputs[b, t, 1] += masks[t] == 2
        sample = VideoDataSample(metainfo=dict(video_id=f'squares{b}'))
        sample.gt_masks = masks
        samples.append(sample)
    return inputs, samples
