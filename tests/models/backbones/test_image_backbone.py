import pytest
import torch
from torch import nn

from slotkd.models.backbones import ImageBackbone
from slotkd.registry import MODELS

MOBILENET = dict(type='mmseg.MobileNetV2', out_indices=(1, 2, 4, 6))


class Pyramid(nn.Module):
    """Two maps, of strides 4 and 8, behind one batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.stem = nn.Conv2d(3, 6, 4, stride=4)
        self.deep = nn.Conv2d(6, 10, 2, stride=2)

    def forward(self, images):
        fine = self.stem(self.norm(images))
        return fine, self.deep(fine)


def wrap(**options) -> ImageBackbone:
    return ImageBackbone(Pyramid(), **dict(allow_random=True) | options)


def pretrained(path, **options) -> dict:
    return dict(type='Pretrained', checkpoint=str(path), **options)


def test_index_chooses_the_level():
    images = torch.randn(2, 3, 32, 24)
    net = wrap(out_index=0)
    assert (net.feat_dim, net.patch_size) == (6, 4)
    torch.testing.assert_close(net(images), net.backbone(images)[0])
    net = wrap()
    assert (net.feat_dim, net.patch_size) == (10, 8)
    assert net(images).shape == (2, 10, 4, 3)


def test_several_levels_are_joined_at_the_size_of_the_first():
    images = torch.randn(1, 3, 32, 24)
    net = wrap(out_index=(0, 1))
    joined, (fine, _) = net(images), net.backbone(images)
    assert joined.shape == (1, 16, 8, 6)
    assert (net.feat_dim, net.patch_size) == (16, 4)
    torch.testing.assert_close(joined[:, :6], fine)
    coarse_first = wrap(out_index=(1, 0))
    assert coarse_first(images).shape == (1, 16, 4, 3)


def test_normalized_levels_have_zero_mean_and_unit_variance_each():
    images = 50 * torch.randn(2, 3, 32, 24)
    normalized = wrap(out_index=(0, 1), normalize=True)(images)
    fine = normalized[:, :6]
    torch.testing.assert_close(fine.mean(1), torch.zeros(2, 8, 6))
    variance = fine.var(1, unbiased=False)
    torch.testing.assert_close(
        variance, torch.ones(2, 8, 6), rtol=1e-3, atol=0
    )
    scaled = ImageBackbone(
        nn.Conv2d(3, 7, 2, stride=2, bias=False),
        normalize=True,
        allow_random=True,
    )
    torch.testing.assert_close(
        scaled(images), scaled(3 * images), rtol=1e-3, atol=1e-4
    )


def test_a_backbone_with_one_map():
    net = ImageBackbone(nn.Conv2d(3, 7, 2, stride=2), allow_random=True)
    assert net(torch.zeros(1, 3, 8, 8)).shape == (1, 7, 4, 4)


def test_what_does_not_fit_is_named_with_both_values():
    with pytest.raises(ValueError, match='out_index is 2, .* returns 2 maps'):
        wrap(out_index=2)
    with pytest.raises(ValueError, match='feat_dim is 5, .* gives 6 channels'):
        wrap(out_index=0, feat_dim=5)


def test_frozen_keeps_batch_norm_and_has_no_gradient():
    net = wrap()
    before = net.backbone.norm.running_mean.clone()
    feature_map = net.train()(torch.randn(4, 3, 16, 16) + 5)
    assert not feature_map.requires_grad
    assert not any(m.training for m in net.modules())
    torch.testing.assert_close(net.backbone.norm.running_mean, before)


def test_trainable_learns_and_updates_batch_norm():
    net = wrap(frozen=False, allow_random=False)
    assert net.backbone.norm.running_mean.abs().sum() == 0, 'the probe leaks'
    net.train()(torch.randn(4, 3, 16, 16) + 5).sum().backward()
    assert net.backbone.stem.weight.grad.abs().sum() > 0
    assert net.backbone.norm.running_mean.abs().sum() > 0


def test_random_and_frozen_raises():
    net = wrap(allow_random=False)
    net.init_weights()
    with pytest.raises(RuntimeError, match='ImageBackbone is frozen'):
        net(torch.zeros(1, 3, 16, 16))


def test_weights_load_strictly(tmp_path, caplog):
    source = Pyramid().state_dict()
    path = tmp_path / 'net.pth'
    segmentor = {f'backbone.{k}': v.half() for k, v in source.items()}
    del segmentor['backbone.norm.num_batches_tracked']
    torch.save({'state_dict': segmentor | {'head.w': torch.ones(1)}}, path)
    init_cfg = pretrained(path, prefix='backbone')
    net = wrap(allow_random=False, init_cfg=init_cfg)
    net.init_weights()
    weight = net.backbone.stem.weight
    assert weight.dtype == torch.float32
    torch.testing.assert_close(weight, source['stem.weight'].half().float())
    net(torch.zeros(1, 3, 16, 16))
    without_prefix = wrap(init_cfg=pretrained(path))
    with pytest.raises(ValueError, match=r'missing: backbone\.deep\.bias'):
        without_prefix.init_weights()
    with pytest.raises(ValueError, match=r"unknown keys \['strict'\]"):
        wrap(init_cfg=pretrained(path, strict=True)).init_weights()


def test_tensors_of_no_use_are_listed(tmp_path, monkeypatch):
    path = tmp_path / 'net.pth'
    torch.save(Pyramid().state_dict() | {'fc.bias': torch.ones(1)}, path)
    lines = []
    monkeypatch.setattr(
        'mmengine.logging.MMLogger.warning', lambda _, line: lines.append(line)
    )
    wrap(init_cfg=pretrained(path)).init_weights()
    assert len(lines) == 1
    assert lines[0].endswith('not used: fc.bias')


def test_two_checkpoints_are_refused(tmp_path):
    inner = Pyramid()
    inner.init_cfg = pretrained('inner.pth')
    with pytest.raises(ValueError, match=r'outer\.pth .* inner\.pth'):
        ImageBackbone(inner, init_cfg=pretrained('outer.pth'))


def test_pretrained_mobilenet_of_mmseg(shared):
    checkpoint = shared / 'data/mobilenet_v2_imagenet.pth'
    net = MODELS.build(
        dict(
            type='ImageBackbone',
            backbone=MOBILENET | dict(init_cfg=pretrained(checkpoint)),
            out_index=2,
            feat_dim=96,
        )
    )
    images = torch.rand(1, 3, 64, 96) * 2 - 1
    with pytest.raises(RuntimeError, match='random'):
        net(images)
    net.init_weights()
    feature_map = net.train()(images)
    assert feature_map.shape == (1, 96, 4, 6)
    saved = torch.load(checkpoint, weights_only=True)['state_dict']
    weight = net.backbone.conv1.conv.weight
    torch.testing.assert_close(weight, saved['conv1.conv.weight'].float())
    reference = MODELS.build(MOBILENET)
    reference.eval()
    reference.load_state_dict(saved)
    torch.testing.assert_close(feature_map, reference(images)[2])


def test_mix_vision_transformer_of_mmseg_trains():
    net = MODELS.build(
        dict(
            type='ImageBackbone',
            backbone=dict(
                type='mmseg.MixVisionTransformer',
                embed_dims=8,
                num_layers=[1, 1, 1, 1],
                num_heads=[1, 2, 2, 4],
            ),
            out_index=(1, 3),
            frozen=False,
        )
    )
    net.init_weights()
    feature_map = net.train()(torch.randn(1, 3, 64, 96))
    assert feature_map.shape == (1, net.feat_dim, 8, 12)
    feature_map.mean().backward()
    assert any(p.grad is not None for p in net.parameters())
