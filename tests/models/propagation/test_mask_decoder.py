"""The decoder refines streams to logits at stride 4."""

import pytest
import torch

from slotkd.models.propagation import MaskDecoder


def maps(cells=(25, 13, 7), dims=(4, 6, 8), batch=2):
    torch.manual_seed(1)
    return [
        torch.randn(batch, dim, n, n)
        for n, dim in zip(cells, dims, strict=True)
    ]


def decoder(token_dim=32):
    torch.manual_seed(0)
    return MaskDecoder(token_dim, skip_dims=(4, 6, 8), num_channels=11)


def test_logits_at_stride_4():
    logits = decoder()(torch.randn(2, 64, 7, 7), maps())
    assert logits.shape == (2, 11, 25, 25)


def test_reads_streams_and_every_map():
    streams = torch.randn(2, 64, 7, 7, requires_grad=True)
    skips = [m.requires_grad_() for m in maps()]
    decoder()(streams, skips).square().sum().backward()
    for read in (streams, *skips):
        assert read.grad.abs().sum() > 0


def test_each_stream_has_a_norm_of_its_own():
    streams = torch.randn(1, 64, 7, 7)
    scaled = torch.cat([streams[:, :32], 100 * streams[:, 32:]], 1)
    made = decoder()
    torch.testing.assert_close(
        made(streams, maps(batch=1)),
        made(scaled, maps(batch=1)),
        atol=1e-3,
        rtol=1e-3,
    )


def test_widths_must_fit_the_norms():
    with pytest.raises(ValueError, match='token_dim is 24'):
        decoder(24)
