"""Made-up records of mask propagation for tests of losses."""

import torch

from slotkd.structures import VosOutput

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
