"""A frame's streams spread over the frame."""

import torch
from torch.nn import functional as F

from slotkd.models.propagation import SelfPropagation

GRID = (3, 4)


def streams(batch=2):
    torch.manual_seed(1)
    return torch.randn(batch, 12, 16), torch.randn(batch, 12, 16)


def layer(**options):
    torch.manual_seed(0)
    return SelfPropagation(16, 8, **options)


def test_is_gated_attention_of_both_streams():
    spread = layer().eval()
    visual, identity = streams()
    x, y = spread.norms[0](visual), spread.norms[1](identity)
    key = spread.key(torch.cat([x, y], 2))
    values, gates = (
        torch.cat([F.silu(m[0](x)), F.silu(m[1](y))], 2)
        for m in (spread.values, spread.gates)
    )
    attn = (key @ key.mT / 8**0.5).softmax(2)
    update = spread.out(attn @ values, gates, GRID)
    got = spread(visual, identity, GRID)
    torch.testing.assert_close(got[0], visual + update[..., :16])
    torch.testing.assert_close(got[1], identity + update[..., 16:])


def test_samples_do_not_mix():
    spread = layer().eval()
    visual, identity = streams()
    both = spread(visual, identity, GRID)
    one = spread(visual[:1], identity[:1], GRID)
    torch.testing.assert_close(both[0][:1], one[0])


def test_residuals_are_dropped_in_training():
    spread = layer(drop_path=1.0)
    visual, identity = streams()
    spread.drop_path.prob = 1 - 1e-9
    got = spread(visual, identity, GRID)
    assert torch.equal(got[0], visual) and torch.equal(got[1], identity)
