import copy

import numpy as np
import pytest
import torch
from torch import nn

from slotkd.models.backbones import DinoViT, resample_positions
from slotkd.registry import MODELS

TINY = dict(embed_dim=24, depth=3, num_heads=4)


def tiny_vit(**options) -> DinoViT:
    """Return a small ViT with noise in every parameter."""
    options = dict(img_size=56, allow_random=True) | options
    vit = DinoViT(TINY, **options)
    for parameter in vit.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return vit


def tokens(feature_map: torch.Tensor) -> torch.Tensor:
    return feature_map.flatten(2).transpose(1, 2)


@pytest.mark.parametrize(
    ('arch', 'count'), [('small', 22_056_192), ('base', 86_579_712)]
)
def test_parameter_counts_are_those_of_the_spec(arch, count):
    with torch.device('meta'):
        vit = DinoViT(arch)
    assert sum(p.numel() for p in vit.parameters()) == count


@pytest.mark.parametrize('arch', ['large', 'giant'])
def test_larger_models_build(arch):
    with torch.device('meta'):
        vit = DinoViT(arch)
    millions = sum(p.numel() for p in vit.parameters()) / 1e6
    expected = {'large': 304.37, 'giant': 1136.48}[arch]
    assert millions == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize('size', [(56, 56), (84, 56), (14, 70)])
def test_any_grid_gives_a_map_of_the_last_block(size):
    vit = tiny_vit()
    images = torch.randn(2, 3, *size)
    feature_map = vit(images)
    assert feature_map.shape == (2, 24, size[0] // 14, size[1] // 14)
    torch.testing.assert_close(
        feature_map, vit.extract(images, ['block3'])['block3']
    )


def test_features_belong_to_each_other():
    vit = tiny_vit(num_registers=2)
    images = torch.randn(2, 3, 28, 42)
    found = vit.extract(images, ['keys3', 'block2', 'norm', 'block3'])
    assert list(found) == ['keys3', 'block2', 'norm', 'block3']
    normed = vit.norm(tokens(found['block3']))
    torch.testing.assert_close(tokens(found['norm']), normed)
    last = vit.blocks[2]
    qkv = last.attn.qkv(last.norm1(tokens(found['block2'])))
    torch.testing.assert_close(tokens(found['keys3']), qkv[..., 24:48])


def test_blocks_that_no_feature_needs_do_not_run():
    vit = tiny_vit(feature='block1')
    calls = []
    for index, block in enumerate(vit.blocks):
        block.register_forward_hook(lambda *_, i=index: calls.append(i))
    vit(torch.randn(1, 3, 28, 28))
    assert calls == [0]
    vit.extract(torch.randn(1, 3, 28, 28), ['keys2'])
    assert calls == [0, 0]


def test_the_map_is_row_by_row_from_the_top_left():
    vit = tiny_vit()
    images = torch.randn(1, 3, 28, 70)
    changed = images.clone()
    changed[:, :, 14:, 42:56] += 1
    patches = vit.patch_embed(images) - vit.patch_embed(changed)
    assert patches.abs().sum(-1).nonzero().tolist() == [[0, 1 * 5 + 3]]


def test_frozen_stays_in_eval_mode_and_has_no_gradient():
    vit = tiny_vit()
    parent = nn.Sequential(vit).train()
    assert not any(m.training for m in vit.modules())
    assert not any(p.requires_grad for p in vit.parameters())
    images = torch.randn(1, 3, 28, 28, requires_grad=True)
    assert not parent(images).requires_grad


def test_trainable_gets_gradients_at_a_foreign_grid():
    vit = tiny_vit(frozen=False, allow_random=False)
    assert vit.train().blocks[0].training
    vit(torch.randn(1, 3, 28, 42)).sum().backward()
    assert vit.pos_embed.grad[:, 1:].abs().sum() > 0
    assert vit.patch_embed.proj.weight.grad.abs().sum() > 0


def test_random_weights_in_a_frozen_backbone_raise():
    config = dict(type='DinoViT', arch=TINY, img_size=56)
    vit = MODELS.build(config)
    vit.init_weights()
    with pytest.raises(RuntimeError, match='DinoViT is frozen .* random'):
        vit(torch.randn(1, 3, 28, 28))
    state = MODELS.build(config | dict(allow_random=True)).state_dict()
    holder = nn.ModuleDict({'backbone': vit})
    holder.load_state_dict({f'backbone.{k}': v for k, v in state.items()})
    copy.deepcopy(holder)['backbone'](torch.randn(1, 3, 28, 28))


def test_the_final_norm_may_be_missing_until_it_is_needed():
    vit = tiny_vit(allow_random=False)
    state = vit.state_dict()
    del state['norm.weight'], state['norm.bias']
    vit.load_state_dict(state, strict=True)
    vit(torch.randn(1, 3, 28, 28))
    with pytest.raises(RuntimeError, match=r'norm\.bias was never loaded'):
        vit.extract(torch.randn(1, 3, 28, 28), ['norm'])
    normed = tiny_vit(allow_random=False, feature='norm')
    with pytest.raises(RuntimeError, match=r'Missing key.*"norm\.weight"'):
        normed.load_state_dict(state, strict=True)
    normed.load_state_dict(state, strict=False)
    with pytest.raises(RuntimeError, match=r'norm\.bias was never loaded'):
        normed(torch.randn(1, 3, 28, 28))


def test_partly_loaded_weights_still_raise():
    vit = tiny_vit(allow_random=False)
    state = vit.state_dict()
    del state['blocks.1.ls1.gamma']
    vit.load_state_dict(state, strict=False)
    with pytest.raises(RuntimeError, match=r'blocks\.1\.ls1\.gamma'):
        vit(torch.randn(1, 3, 28, 28))


def test_bad_arguments_name_the_field_and_both_values():
    with pytest.raises(ValueError, match="arch='tiny' is not one of 'small'"):
        DinoViT('tiny')
    with pytest.raises(ValueError, match=r"missing keys \['num_heads'\]"):
        DinoViT(dict(embed_dim=24, depth=1))
    with pytest.raises(ValueError, match=r"unknown keys \['heads'\]"):
        DinoViT(TINY | dict(heads=2))
    with pytest.raises(ValueError, match='embed_dim=24 .* num_heads=5'):
        DinoViT(TINY | dict(num_heads=5))
    with pytest.raises(ValueError, match="ffn='glu' is not one of 'mlp'"):
        DinoViT(TINY | dict(ffn='glu'))
    with pytest.raises(ValueError, match="feature='block4' .*'block3'"):
        DinoViT(TINY, feature='block4')
    with pytest.raises(ValueError, match='30x28 .* patch_size=14'):
        tiny_vit()(torch.randn(1, 3, 30, 28))


def test_resampling_to_the_same_grid_is_the_identity():
    table = torch.randn(1, 12, 5, dtype=torch.float64)
    assert resample_positions(table, (3, 4), (3, 4)) is table
    image = table.reshape(1, 3, 4, 5).permute(0, 3, 1, 2)
    resampled = nn.functional.interpolate(
        image, (3, 4), mode='bicubic', antialias=True
    )
    torch.testing.assert_close(resampled, image)


def test_resampling_keeps_a_constant_and_the_order_of_axes():
    ramp = torch.arange(4.0).repeat_interleave(6)[None, :, None]
    for options in (dict(), dict(antialias=False, offset=0.1)):
        coarse = resample_positions(ramp, (4, 6), (2, 3), **options)
        rows = coarse.reshape(2, 3)
        assert torch.allclose(rows, rows[:, :1].expand(2, 3), atol=1e-5)
        assert rows[1, 0] > rows[0, 0] + 1
    same = resample_positions(torch.ones(1, 24, 2), (4, 6), (5, 3))
    torch.testing.assert_close(same, torch.ones(1, 15, 2))


def test_resampling_half_precision_goes_through_float():
    table = torch.randn(1, 16, 3).half()
    half = resample_positions(table, (4, 4), (2, 3))
    assert half.dtype == torch.float16
    full = resample_positions(table.float(), (4, 4), (2, 3))
    torch.testing.assert_close(half, full.half())


def test_official_features_of_slotcontrast(shared):
    vit = DinoViT(dict(embed_dim=36, depth=2, num_heads=3), img_size=112)
    vit.load_weights(str(shared / 'golden/a/slotcontrast_tiny_step0.ckpt'))
    golden = np.load(shared / 'golden/a/slotcontrast_tiny.npz')
    clip = torch.from_numpy(golden['clip']).flatten(0, 1)
    found = vit.extract(clip, ['block2', 'keys2'])
    native = torch.from_numpy(golden['native_clip']).flatten(0, 1)
    for name, ours in (
        ('feats_backbone', found['block2']),
        ('feats_keys', found['keys2']),
        ('native_feats_backbone', vit(native)),
    ):
        reference = torch.from_numpy(golden[name]).flatten(0, 1)
        atol = 5e-5 * max(1, reference.abs().max().item())
        torch.testing.assert_close(tokens(ours), reference, atol=atol, rtol=0)
