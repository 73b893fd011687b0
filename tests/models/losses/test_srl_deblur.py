"""SRL's deblurring against the official numbers and its definition."""

import json

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.losses.loss_terms import LossTerms
from slotkd.models.losses.srl_deblur import SRLDeblurLoss, deblur_loss
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
    recon = arrays['recon'].requires_grad_()
    feats = arrays['backbone'].requires_grad_()
    weight = arrays['projector'].requires_grad_()
    loss = deblur_loss(
        recon @ weight.T,
        feats @ weight.T,
        arrays['enc_attn'],
        group_frames=facts['gf'],
        **options,
    )
    assert abs(loss.item() - arrays['deblur_loss']) <= 1e-5
    loss.backward()
    golden.assert_near(recon.grad, arrays['deblur_grad_recon'])
    golden.assert_near(weight.grad, arrays['deblur_grad_projector'])
    assert feats.grad is None


def inputs():
    recon, feats = torch.randn(2, 2, 3, 10, 6, dtype=torch.float64)
    return recon.requires_grad_(), feats, torch.randn(2, 3, 4, 10)


def written_out(recon, feats, attn):
    """Return the definition with all pairs and masks, clip by clip."""
    losses = []
    for u, v, labels in zip(
        F.normalize(recon, dim=-1).flatten(1, 2),
        F.normalize(feats, dim=-1).flatten(1, 2),
        attn.argmax(2).flatten(1),
        strict=True,
    ):
        logp = (u @ v.T / 0.1).log_softmax(1)
        alike = labels[:, None] == labels
        mean_alike = (logp * alike).sum(1) / alike.sum(1)
        losses.append(-(logp.diagonal() + mean_alike) / 2)
    return torch.cat(losses).mean() * 0.1 / 0.07


@pytest.mark.parametrize('block', [1, 4, 30, 99])
def test_every_block_size_equals_the_definition(block):
    recon, feats, attn = inputs()
    expected = written_out(recon, feats, attn)
    expected_grad, *_ = torch.autograd.grad(expected, recon)
    loss = deblur_loss(recon, feats, attn, block=block)
    grad, *_ = torch.autograd.grad(loss, recon)
    assert abs(loss - expected) <= 1e-12
    assert (grad - expected_grad).abs().max() <= 1e-9


def test_gradcheck():
    recon, feats, attn = (x[:1, :2, ..., :4] for x in inputs())
    recon, feats = recon[:, :, :4].detach(), feats[:, :, :4]
    assert torch.autograd.gradcheck(
        lambda r: deblur_loss(r, feats, attn, block=3), recon.requires_grad_()
    )


def test_matching_reconstruction_is_better_than_a_shuffled_one():
    _, feats, attn = inputs()
    matching = deblur_loss(feats, feats, attn)
    shuffled = deblur_loss(feats[:, :, torch.randperm(10)], feats, attn)
    assert matching < shuffled
    scaled = deblur_loss(3 * feats, feats, attn)
    torch.testing.assert_close(scaled, matching)


def test_one_token_is_its_own_optimum():
    recon, feats = torch.ones(2, 1, 1, 1, 3).requires_grad_()
    loss = deblur_loss(recon, feats, torch.zeros(1, 1, 2, 1))
    assert loss == 0


def test_half_precision_is_compared_in_full():
    recon, feats, attn = inputs()
    recon = recon.detach().bfloat16()
    half = deblur_loss(recon.requires_grad_(), feats.bfloat16(), attn)
    full = deblur_loss(recon.float(), feats.bfloat16().float(), attn)
    assert torch.equal(half, full)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        cast = deblur_loss(recon.float(), feats.bfloat16().float(), attn)
    assert torch.equal(cast, full)


def test_groups_must_fill_the_clip():
    with pytest.raises(ValueError, match='group_frames=2 does not divide'):
        deblur_loss(*inputs(), group_frames=2)


def test_module_projects_and_trains_in_a_model():
    config = tiny.slot_model(
        losses=dict(
            recon=dict(type='FeatureReconstructionLoss'),
            deblur=dict(
                type='SRLDeblurLoss',
                feat_dim=12,
                slot_dim=16,
                loss_weight=0.1,
                begin=5,
            ),
        )
    )
    model = tiny.build(config)
    output = model(tiny.clips())
    before = model.losses(output, step=4)['loss_deblur']
    assert before == 0
    assert before.requires_grad  # it owns parameters: DDP must see them
    loss = model.losses(output, step=5)['loss_deblur']
    proj = model.losses.losses['deblur'].proj
    assert proj.bias is None
    expected = deblur_loss(
        proj(output.recon), proj(output.feats), output.attn_logits
    )
    torch.testing.assert_close(loss, 0.1 * expected)
    loss.backward()
    assert proj.weight.grad.abs().sum() > 0
    assert model.decoder.layers[0].weight.grad.abs().sum() > 0


def test_door():
    with pytest.raises(ValueError, match="form='full'"):
        SRLDeblurLoss(12, 16, form='full')
    terms = LossTerms(
        dict(deblur=dict(type='SRLDeblurLoss', feat_dim=12, slot_dim=16)),
        ('output',),
    )
    output = tiny.build(tiny.slot_model()).run(tiny.clips(), ('slots',))
    with pytest.raises(ValueError, match='recon is None'):
        terms(output)
