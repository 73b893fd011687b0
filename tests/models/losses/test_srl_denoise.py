"""SRL's denoising against the official numbers and its definition."""

import json

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.losses.srl_denoise import (
    SRLDenoiseLoss,
    denoise_loss,
    nearest_tokens,
)
from tests import golden, tiny

FORMS = [
    dict(form='dense'),
    dict(form='blocked', block=5),
    dict(form='sampled', num_keys=10**6),
]


@pytest.mark.data
@pytest.mark.parametrize('options', FORMS, ids=lambda o: o['form'])
@pytest.mark.parametrize('case', ['one', 'groups_of_two'])
def test_official_case(shared, case, options):
    arrays = golden.prefixed(golden.load(shared, 'srl_official'), f'{case}__')
    facts = json.loads(
        (shared / 'golden' / 'a' / 'srl_official.json').read_text()
    )['cases'][case]
    tokens = arrays['mapped'].requires_grad_()
    weight = arrays['projector2'].requires_grad_()
    loss = denoise_loss(
        tokens @ weight.T,
        arrays['backbone'],
        arrays['dec_masks'],
        num_near=facts['K'],
        group_frames=facts['gf'],
        **options,
    )
    assert abs(loss.item() - arrays['denoise_loss']) <= 1e-5
    loss.backward()
    golden.assert_near(tokens.grad, arrays['denoise_grad_mapped'])
    golden.assert_near(weight.grad, arrays['denoise_grad_projector2'])


def inputs():
    tokens = torch.randn(2, 3, 10, 6, dtype=torch.float64)
    feats = torch.randn(2, 3, 10, 8, dtype=torch.float64)
    return tokens.requires_grad_(), feats, torch.randn(2, 3, 4, 10)


def written_out(tokens, feats, masks, num_near):
    """Return the definition with all pairs and masks, clip by clip."""
    losses = []
    for u, f, labels in zip(
        F.normalize(tokens, dim=-1).flatten(1, 2),
        F.normalize(feats, dim=-1).flatten(1, 2),
        masks.argmax(2).flatten(1),
        strict=True,
    ):
        own = torch.eye(len(u), dtype=torch.bool)
        logits = (u @ u.T / 0.1).masked_fill(own, -torch.inf)
        logp = logits.log_softmax(1).masked_fill(own, 0)
        cosine = f @ f.T
        rank = cosine.sort(dim=1, descending=True).values[:, num_near - 1]
        near = (cosine >= rank[:, None]) & ~own
        alike = (labels[:, None] == labels) & ~own
        losses.append(
            -sum(
                (logp * kind).sum(1) / kind.sum(1).clamp(min=1) / 2
                for kind in (near, alike)
            )
        )
    return torch.cat(losses).mean() * 0.1 / 0.07


@pytest.mark.parametrize('block', [1, 4, 30, 99])
@pytest.mark.parametrize('lonely', [False, True])
def test_every_block_size_equals_the_definition(block, lonely):
    tokens, feats, masks = inputs()
    if lonely:  # one token of its own label has no second half
        masks[:, :, 3] = -99
        masks[0, 1, 3, 7] = 99
    expected = written_out(tokens, feats, masks, 6)
    expected_grad, *_ = torch.autograd.grad(expected, tokens)
    loss = denoise_loss(tokens, feats, masks, num_near=2, block=block)
    grad, *_ = torch.autograd.grad(loss, tokens)
    assert abs(loss - expected) <= 1e-12
    assert (grad - expected_grad).abs().max() <= 1e-9


def test_a_token_is_no_neighbour_of_its_own():
    """Only itself near: the half for near tokens is gone."""
    tokens, feats, masks = (x[:, :1] for x in inputs())
    masks = torch.zeros_like(masks)
    loss = denoise_loss(tokens, feats, masks, num_near=1)
    unit = F.normalize(tokens[:, 0], dim=-1)
    logits = unit @ unit.transpose(1, 2) / 0.1
    own = torch.eye(10, dtype=torch.bool)
    logits = logits.masked_fill(own, -torch.inf)
    logp = logits.log_softmax(2).masked_fill(own, 0)
    expected = -(logp.sum(2) / 9).mean() / 2 * 0.1 / 0.07
    torch.testing.assert_close(loss, expected)


def test_nearest_tokens_are_exact_for_every_block():
    unit = F.normalize(torch.randn(2, 30, 8), dim=2)
    expected = (unit @ unit.transpose(1, 2)).topk(5).indices
    for block in (1, 7, 30):
        near = nearest_tokens(unit, 5, block)
        assert torch.equal(near, expected)
    assert (near == torch.arange(30)[:, None]).any(2).all()


def test_more_near_tokens_than_tokens():
    tokens, feats, masks = inputs()
    every = denoise_loss(tokens, feats, masks, num_near=99)
    torch.testing.assert_close(every, written_out(tokens, feats, masks, 30))


def test_gradcheck():
    tokens, feats, masks = (x[:1, :2] for x in inputs())
    tokens = tokens[:, :, :4].detach().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: denoise_loss(
            x, feats[:, :, :4], masks[..., :4], num_near=2, block=3
        ),
        tokens,
    )


def test_one_token_gives_a_connected_zero():
    tokens = torch.randn(2, 1, 1, 3, requires_grad=True)
    loss = denoise_loss(
        tokens, torch.randn(2, 1, 1, 4), torch.zeros(2, 1, 2, 1), num_near=3
    )
    assert loss == 0
    loss.backward()
    assert (tokens.grad == 0).all()


def test_equal_tokens_and_half_precision_stay_finite():
    tokens = torch.ones(1, 2, 5, 3, dtype=torch.bfloat16, requires_grad=True)
    feats = torch.ones(1, 2, 5, 4, dtype=torch.bfloat16)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = denoise_loss(tokens, feats, torch.ones(1, 2, 3, 5), num_near=2)
    assert loss.dtype == torch.float32
    loss.backward()
    assert tokens.grad.isfinite().all()


def test_module_projects_and_trains_in_a_model():
    config = tiny.slot_model(
        losses=dict(
            denoise=dict(type='SRLDenoiseLoss', slot_dim=16, num_near=2)
        )
    )
    model = tiny.build(config)
    output = model(tiny.clips())
    loss = model.losses(output)['loss_denoise']
    proj = model.losses.losses['denoise'].proj
    expected = denoise_loss(
        proj(output.tokens), output.feats, output.mask_logits, num_near=2
    )
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert proj.bias is None
    assert proj.weight.grad.abs().sum() > 0
    neck = [p for p in model.neck.parameters() if p.grad is not None]
    assert neck
    assert model.decoder.layers[0].weight.grad is None


def test_door():
    with pytest.raises(ValueError, match="form='full'"):
        SRLDenoiseLoss(16, 2, form='full')
    output = tiny.build(tiny.slot_model()).run(tiny.clips(), ('slots',))
    with pytest.raises(ValueError, match='mask_logits is None'):
        SRLDenoiseLoss(16, 2)(output)
