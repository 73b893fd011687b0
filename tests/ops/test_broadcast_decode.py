"""The fast decoding against its plain twin, and that against a loop."""

import pytest
import torch

from slotkd.ops.broadcast_decode import (
    broadcast_decode,
    broadcast_decode_plain,
)

BATCH, TOKENS, SLOTS, WIDTH, FEATS = 2, 5, 3, 8, 6


def network(dtype=torch.float64, widths=(WIDTH, 7, 9), batch=BATCH):
    """Return first-layer rows and the further layers of a small decoder."""
    torch.manual_seed(1)
    hidden = torch.randn(batch, TOKENS, SLOTS, widths[0], dtype=dtype)
    layers = [
        (
            torch.randn(b, a, dtype=dtype) / a**0.5,
            torch.randn(b, dtype=dtype) / 4,
        )
        for a, b in zip(widths, (*widths[1:], FEATS + 1), strict=True)
    ]
    return hidden, layers[:-1], layers[-1]


def values_and_gradients(decode, hidden, layers, output):
    """Return both results and the gradient of each input."""
    leaves = [hidden, *(t for layer in [*layers, output] for t in layer)]
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    pairs = list(zip(leaves[1::2], leaves[2::2], strict=True))
    # Times one: a leaf may not be overwritten.
    recon, mask_logits = decode(leaves[0] * 1, pairs[:-1], pairs[-1])
    weigh = torch.linspace(-1, 1, recon.numel(), dtype=recon.dtype)
    loss = (recon.flatten() * weigh).mean() + mask_logits.square().mean()
    return [recon, mask_logits, *torch.autograd.grad(loss, leaves)]


@pytest.mark.parametrize(
    ('dtype', 'tolerance'), [(torch.float32, 1e-6), (torch.float64, 1e-12)]
)
@pytest.mark.parametrize('widths', [(WIDTH,), (WIDTH, 7), (WIDTH, 7, 9)])
def test_fast_equals_plain(dtype, tolerance, widths):
    case = network(dtype, widths)
    fast = values_and_gradients(broadcast_decode, *case)
    plain = values_and_gradients(broadcast_decode_plain, *case)
    assert len(fast) == 2 + 1 + 2 * len(widths)
    for ours, theirs in zip(fast, plain, strict=True):
        torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=0)


@pytest.mark.parametrize('decode', [broadcast_decode, broadcast_decode_plain])
def test_gradients_are_those_of_the_function(decode):
    hidden, layers, output = network(batch=1)

    def function(hidden, weight, bias):
        return decode(hidden * 1, [layers[0], layers[1]], (weight, bias))

    inputs = [t.requires_grad_() for t in (hidden, *output)]
    assert torch.autograd.gradcheck(function, inputs)


def test_plain_equals_a_naive_loop():
    hidden, layers, output = network()
    recon, mask_logits = broadcast_decode_plain(hidden, layers, output)
    for b in range(BATCH):
        for n in range(TOKENS):
            rows = []
            for k in range(SLOTS):
                row = hidden[b, n, k].clamp(min=0)
                for weight, bias in layers:
                    row = (weight @ row + bias).clamp(min=0)
                rows.append(output[0] @ row + output[1])
            logits = torch.stack([row[-1] for row in rows])
            masks = logits.exp() / logits.exp().sum()
            mixed = sum(masks[k] * rows[k][:-1] for k in range(SLOTS))
            torch.testing.assert_close(recon[b, n], mixed)
            torch.testing.assert_close(mask_logits[b, :, n], logits)


def test_layout_in_memory_does_not_matter():
    hidden, layers, output = network()
    turned = hidden.transpose(1, 2).contiguous().transpose(1, 2)
    assert not turned.is_contiguous()
    expected = broadcast_decode_plain(hidden, layers, output)
    for decode in (broadcast_decode, broadcast_decode_plain):
        results = decode(turned.clone(), layers, output)
        for ours, theirs in zip(results, expected, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_expanded_rows_are_decoded():
    hidden, layers, output = network(batch=1)
    same = hidden[:, :, :1].expand(-1, -1, SLOTS, -1)
    fast = broadcast_decode(same * 1, layers, output)
    plain = broadcast_decode_plain(same, layers, output)
    single = broadcast_decode_plain(hidden[:, :, :1], layers, output)
    torch.testing.assert_close(fast, plain)
    torch.testing.assert_close(fast[0], single[0])


def test_only_the_fast_twin_overwrites_its_rows():
    hidden, layers, output = network()
    before = hidden.clone()
    broadcast_decode_plain(hidden, layers, output)
    assert torch.equal(hidden, before)
    broadcast_decode(hidden, layers, output)
    torch.testing.assert_close(hidden, before.relu())


def test_masks_of_half_precision_are_mixed_in_fp32():
    hidden, layers, output = network(torch.bfloat16)
    fast = broadcast_decode(hidden.clone(), layers, output)
    exact = broadcast_decode_plain(
        hidden.float(),
        [(w.float(), b.float()) for w, b in layers],
        (output[0].float(), output[1].float()),
    )
    for ours, theirs in zip(fast, exact, strict=True):
        assert ours.dtype == torch.bfloat16
        torch.testing.assert_close(ours.float(), theirs, atol=0.05, rtol=0.05)
