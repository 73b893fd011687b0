"""Training with the parts of slot models that no shipped config uses."""

import copy

import pytest
import torch

from tests import tiny

MIX_VISION_TRANSFORMER = dict(
    type='mmseg.MixVisionTransformer',
    embed_dims=8,
    num_stages=2,
    num_layers=[1, 1],
    num_heads=[1, 2],
    patch_sizes=[7, 3],
    strides=[4, 2],
    sr_ratios=[2, 1],
    out_indices=(0, 1),
)
PARTS = {
    'corrector': dict(
        type='InvariantSlotAttention', slot_dim=16, token_dim=16
    ),
    'decoder': dict(
        type='SlotMixerDecoder',
        slot_dim=16,
        feat_dim=12,
        grid=(4, 6),
        hidden_dims=(24,),
    ),
    'initializer': dict(type='GaussianInitializer', num_slots=4, slot_dim=16),
}
BACKBONES = {
    'pixels': (dict(type='PatchPixels', patch_size=4), 3),
    # The maps of 8 channels at stride 4 and 16 at stride 8, joined.
    'mmseg': (
        dict(
            type='ImageBackbone',
            backbone=MIX_VISION_TRANSFORMER,
            out_index=(0, 1),
            allow_random=True,
        ),
        24,
    ),
    'mmseg, trained': (
        dict(
            type='ImageBackbone',
            backbone=MIX_VISION_TRANSFORMER,
            out_index=(0, 1),
            frozen=False,
        ),
        24,
    ),
}


def moving_square():
    """Return a clip of a red square that crosses a blue frame."""
    red, blue = torch.tensor([[1.5, -1.0, -0.5], [-1.0, 0.2, 1.0]])
    clip = blue.view(3, 1, 1).repeat(1, 3, 1, 16, 24)
    for t in range(3):
        clip[:, t, :, 4:12, 4 + 4 * t : 12 + 4 * t] = red.view(3, 1, 1)
    return clip


def train(model, steps=20):
    """Fit one clip; return the reconstruction error of each step."""
    clip = moving_square()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=5e-3)
    errors = []
    for _ in range(steps):
        optimizer.zero_grad()
        losses = model(clip, mode='loss')
        sum(losses.values()).backward()
        optimizer.step()
        errors.append(losses['loss_recon'].item())
    return errors


def assert_learns(model, part):
    before = copy.deepcopy(part.state_dict())
    errors = train(model)
    assert max(errors[-3:]) < 0.8 * errors[0]
    after = part.state_dict()
    assert [k for k in before if torch.equal(after[k], before[k])] == []


@pytest.mark.parametrize('name', PARTS)
def test_learns_with_a_part(name):
    model = tiny.build(tiny.slot_model(**{name: PARTS[name]}))
    assert_learns(model, getattr(model, name))


def test_learns_with_all_of_them():
    model = tiny.build(tiny.slot_model(**PARTS))
    assert_learns(model, model.corrector)


@pytest.mark.parametrize('name', BACKBONES)
def test_learns_on_a_backbone(name):
    backbone, width = BACKBONES[name]
    config = tiny.slot_model(
        backbone=backbone,
        neck=dict(type='FeatureMLP', feat_dim=width, out_dim=16),
    )
    config['decoder']['feat_dim'] = width
    model = tiny.build(config)
    assert_learns(model, model.neck)
    frozen = backbone.get('frozen', True)
    grads = [p.grad for p in model.backbone.parameters()]
    assert all((grad is None) == frozen for grad in grads)
